# Campana in a container: `docker compose up` runs it with an Asterisk, see docs/how-to/run-in-containers.md.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/campana
WORKDIR /source
# Everything that changes rarely comes first: the locked dependencies are fetched again only when the lock changes.
COPY requirements.lock ./
RUN /opt/campana/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY examples/demo examples/demo
COPY campana campana
COPY web web
COPY reports reports
COPY campaigns campaigns
COPY billing billing
COPY bot bot
COPY telephony telephony
COPY models models
COPY storage storage
RUN /opt/campana/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 campana \
 && install -d -o campana -g campana /var/lib/campana /var/lib/campana/data /var/lib/campana/models
COPY --from=build /opt/campana /opt/campana
COPY LICENSE NOTICE /usr/share/doc/campana/
ENV PATH=/opt/campana/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CAMPANA_DATA_FOLDER=/var/lib/campana/data \
    CAMPANA_MODELS_DIR=/var/lib/campana/models
USER campana
WORKDIR /var/lib/campana
VOLUME ["/var/lib/campana/data", "/var/lib/campana/models"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["campana"]
CMD ["serve"]
