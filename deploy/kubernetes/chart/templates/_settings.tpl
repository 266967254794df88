{{/* fraudstream.toml of a part: `settings`, and over them its own. Arguments: root, part. */}}
{{- define "fraudstream.settings" -}}
{{- $part := index .root.Values .part -}}
{{- mergeOverwrite (deepCopy .root.Values.settings) (deepCopy $part.settings) | toToml | trim -}}
{{- end -}}

{{/* One setting of a part, or its default. Arguments: root, part, section, name, default. */}}
{{- define "fraudstream.setting" -}}
{{- $settings := mergeOverwrite (deepCopy .root.Values.settings) (deepCopy (index .root.Values .part).settings) -}}
{{- dig .section .name .default $settings -}}
{{- end -}}

{{/* Whether workers stand by: "true" or "". Argument: root. */}}
{{- define "fraudstream.standby" -}}
{{- if eq (include "fraudstream.setting" (dict "root" . "part" "worker" "section" "worker" "name" "standby" "default" false)) "true" }}true{{ end -}}
{{- end -}}

{{/* A worker's last checkpoint has half of the session time-out, leaving the group 5 s, the exit 5 s. Argument: root. */}}
{{- define "fraudstream.workerGraceSeconds" -}}
{{- $session_timeout_s := include "fraudstream.setting" (dict "root" . "part" "worker" "section" "worker" "name" "session_timeout_s" "default" 10) -}}
{{- add 10 (ceil (divf $session_timeout_s 2)) -}}
{{- end -}}

{{/* The data of the ConfigMap of a part: its settings, its files, and the rules if it reads them. Arguments: root, part, rules. */}}
{{- define "fraudstream.configData" -}}
{{- if and (contains "/run/secrets/fraudstream/" (include "fraudstream.settings" .)) (not (index .root.Values .part).secretName) }}
{{- fail (printf "%s.secretName is empty, but its settings name a file in /run/secrets/fraudstream: name the Secret with that key, or move the setting from `settings` to the part that needs it." .part) }}
{{- end -}}
fraudstream.toml: |
  {{- include "fraudstream.settings" . | nindent 2 }}
{{- range $name, $text := (index .root.Values .part).files }}
{{ $name }}: |
  {{- $text | nindent 2 }}
{{- end }}
{{- if .rules }}
{{- range $path, $text := .root.Values.rules }}
rules__{{ replace "/" "__" $path }}: |
  {{- $text | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments: root, part, rules. */}}
{{- define "fraudstream.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "fraudstream.metadata" . | nindent 2 }}
  {{- with .hook }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
data:
  {{- include "fraudstream.configData" . | nindent 2 }}
{{- end -}}

{{/* The headless service of the pods of a part. Arguments: root, part, ports; suffix of its name. */}}
{{- define "fraudstream.podService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "fraudstream.metadata" . | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true # Prometheus scrapes one that recovers, too
  selector:
    {{- include "fraudstream.selector" . | nindent 4 }}
  ports:
    - {name: metrics, port: {{ .ports.metrics }}, targetPort: metrics}
{{- end -}}
