# One image for every command of fraudstream: `docker run fraudstream worker`. Without the embedded servers: bring your own Kafka and Redis.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/fraudstream \
 && /opt/fraudstream/bin/pip install --no-cache-dir --disable-pip-version-check --constraint requirements.lock ".[console,gateway,history]"

FROM python:3.11-slim
COPY --from=build /opt/fraudstream /opt/fraudstream
# The compiled kernel is kept for this machine's processor, so it is compiled where it runs. Any user id of group 0 may write
# there; others compile into /tmp or into memory.
RUN install -d -m 0770 -o 10001 -g 0 /var/cache/fraudstream
ENV PATH=/opt/fraudstream/bin:$PATH NUMBA_CACHE_DIR=/var/cache/fraudstream PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number: Kubernetes' runAsNonRoot cannot check a name.
USER 10001:0
WORKDIR /
EXPOSE 9463 9464 8460
ENTRYPOINT ["fraudstream"]
CMD ["--help"]
