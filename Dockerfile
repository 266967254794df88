# One image for every command of fraudstream: `docker run fraudstream worker`. Without the embedded servers: bring your own Kafka and Redis.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/fraudstream \
 && /opt/fraudstream/bin/pip install --no-cache-dir --disable-pip-version-check --constraint requirements.lock .

FROM python:3.11-slim
COPY --from=build /opt/fraudstream /opt/fraudstream
# The compiled kernel is kept for this machine's processor, so it is compiled where it runs.
RUN useradd --uid 10001 --create-home fraudstream && install -d -o fraudstream /var/cache/fraudstream
ENV PATH=/opt/fraudstream/bin:$PATH NUMBA_CACHE_DIR=/var/cache/fraudstream PYTHONUNBUFFERED=1
USER fraudstream
WORKDIR /home/fraudstream
EXPOSE 9463 9464
ENTRYPOINT ["fraudstream"]
CMD ["--help"]
