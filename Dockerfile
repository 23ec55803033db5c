# Runs the daemon. Mount the folder that holds the config at /etc/holdfast (a folder, because a file
# that is mounted alone does not change when it is replaced), and what it names: data_dir, sources
# and targets. Give it time to drain: docker run --init --stop-timeout 630 …
FROM node:24-bookworm-slim AS packages
WORKDIR /opt/holdfast
COPY package.json package-lock.json .npmrc ./
# Node is the image's own; the other optional packages are for the work on the sources.
RUN npm ci --omit=dev --omit=optional

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends tar zstd age pigz \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/holdfast
COPY --from=packages /opt/holdfast/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY schema schema
COPY src src
RUN ln -s /opt/holdfast/bin/holdfast /usr/local/bin/holdfast && holdfast --version
WORKDIR /etc/holdfast
ENTRYPOINT ["holdfast"]
CMD ["daemon"]
