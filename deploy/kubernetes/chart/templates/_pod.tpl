{{- define "fraudstream.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "fraudstream.selector" -}}
app.kubernetes.io/name: fraudstream
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "fraudstream.labels" -}}
{{ include "fraudstream.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fraudstream
{{- end -}}

{{- define "fraudstream.metadata" -}}
name: {{ include "fraudstream.fullname" .root }}-{{ .part }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "fraudstream.labels" . | nindent 2 }}
{{- end -}}

{{- define "fraudstream.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end -}}
{{- end -}}

{{/* `template` of a workload. Arguments:
root, part; args: the command; ports: name to number; env: what the chart sets; grace: s; preStop: s before SIGTERM;
rules: whether it reads them; probes: text; volumes, mounts: more of them; scratch: directories that it may write to. */}}
{{- define "fraudstream.template" -}}
{{- $root := .root -}}
{{- $part := index .root.Values .part -}}
metadata:
  labels:
    {{- include "fraudstream.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ include "fraudstream.configData" . | sha256sum }}
    {{- with $part.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add .grace (.preStop | default 0) }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001 # reads the secrets, writes the volumes
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "fraudstream.selector" . | nindent 16 }}
  {{- with $part.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $part.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "fraudstream.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ concat (list "--config" "/etc/fraudstream/fraudstream.toml") .args | toJson }}
      env:
        {{- if and .rules $root.Values.rules }}
        - {name: FRAUDSTREAM_RULES_DIRECTORY, value: /etc/fraudstream/rules}
        {{- end }}
        {{- if .ports.metrics }}
        - {name: FRAUDSTREAM_METRICS_HOST, value: 0.0.0.0}
        {{- end }}
        - {name: NUMBA_CACHE_DIR, value: /var/cache/fraudstream}
        {{- with .env }}
        {{- . | trim | nindent 8 }}
        {{- end }}
      {{- with .ports }}
      ports:
        {{- range $name, $number := . }}
        - {name: {{ $name }}, containerPort: {{ $number }}}
        {{- end }}
      {{- end }}
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
      resources:
        {{- toYaml $part.resources | nindent 8 }}
      {{- with .preStop }}
      lifecycle: # no new connections once SIGTERM comes: load balancers have taken the pod out by then
        preStop: {sleep: {seconds: {{ . }}}}
      {{- end }}
      {{- with .probes }}
      {{- . | trim | nindent 6 }}
      {{- end }}
      volumeMounts:
        - {name: settings, mountPath: /etc/fraudstream, readOnly: true}
        - {name: cache, mountPath: /var/cache/fraudstream}
        - {name: tmp, mountPath: /tmp}
        {{- if $part.secretName }}
        - {name: secrets, mountPath: /run/secrets/fraudstream, readOnly: true}
        {{- end }}
        {{- with .mounts }}
        {{- . | trim | nindent 8 }}
        {{- end }}
  volumes:
    - name: settings
      configMap:
        name: {{ include "fraudstream.fullname" $root }}-{{ .part }}
        items:
          - {key: fraudstream.toml, path: fraudstream.toml}
          {{- range $name, $_ := $part.files }}
          - {key: {{ $name }}, path: {{ $name }}}
          {{- end }}
          {{- if .rules }}
          {{- range $path, $_ := $root.Values.rules }}
          - {key: rules__{{ replace "/" "__" $path }}, path: rules/{{ $path }}}
          {{- end }}
          {{- end }}
    - name: cache
      emptyDir: {sizeLimit: 256Mi}
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- if $part.secretName }}
    - name: secrets
      secret: {secretName: {{ $part.secretName }}, defaultMode: 0440}
    {{- end }}
    {{- with .volumes }}
    {{- . | trim | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Probes of a part by HTTP. Arguments: port; scheme; startup: s that the start may take. */}}
{{- define "fraudstream.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ .port }}, scheme: {{ .scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div .startup 5 }}
livenessProbe: # says that a restart would help; not while brokers are away
  httpGet: {path: /healthz, port: {{ .port }}, scheme: {{ .scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}, scheme: {{ .scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* A rule of a NetworkPolicy. Arguments: direction: from or to; peers: none for anyone; ports. */}}
{{- define "fraudstream.peers" -}}
ports:
  {{- range .ports }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- with .peers }}
{{ $.direction }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
