# Runs the daemon. Mount the folder that holds the config at /etc/holdfast (a folder, because a file
# that is mounted alone does not change when it is replaced), and what it names: data_dir, sources
# and targets. docs/image.md has the rest: capabilities, a root that nobody may write to, the socket.
FROM node:24-bookworm-slim AS program
WORKDIR /opt/holdfast
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
COPY bin bin
COPY schema schema
COPY src src
# One program of all sources: they themselves stay here, and so does what makes it of them.
RUN node bin/build.mjs /opt/holdfast/dist \
  && rm -rf src bin/build.mjs bin/made.mjs dist/compiled \
  && npm prune --omit=dev --omit=optional

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends tar zstd age pigz postgresql-client openssh-client \
  && rm -rf /var/lib/apt/lists/*
COPY LICENSE /opt/holdfast/
COPY --from=program /opt/holdfast /opt/holdfast
# What a first start would keep for the next ones, with this Node and its flags, of which `plan` has
# its own: later the root may be one that nobody writes to.
RUN ln -s /opt/holdfast/bin/holdfast /usr/local/bin/holdfast \
  && echo 'targets: {}' >/tmp/holdfast.yml && holdfast --config /tmp/holdfast.yml validate \
  && rm /tmp/holdfast.yml && export HOLDFAST_SCRIPT=/opt/holdfast/bin/compile.mjs \
  && holdfast daemon && holdfast plan
WORKDIR /etc/holdfast
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["holdfast", "system", "health"]
ENTRYPOINT ["holdfast"]
CMD ["daemon"]
