# Tatara's own image. One image, and each process is a different command of it:
#   node src/cli/main.ts up            all of them, under the supervisor (default)
#   node src/server/main.ts            and so on, one each: compose.yaml
# BASE_IMAGE is any Debian; one without Node (tatara/base, where no registry answers) gets it from npm.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS packages
WORKDIR /app
RUN mkdir -p /opt/node/bin \
 && if ! command -v node > /dev/null; then \
      apt-get update && apt-get install -y --no-install-recommends nodejs npm; \
    fi
COPY package.json package-lock.json ./
RUN if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 24 ]; then \
      npm install --prefix /opt/download --no-audit --no-fund --loglevel=error \
        "node@$(node -p 'require("./package.json").devDependencies.node')" \
      && cp -L /opt/download/node_modules/node/bin/node /opt/node/bin/node; \
    fi
# Nothing that runs in production has an install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error

FROM ${BASE_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates git gnupg libstdc++6 redis-server rpm util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --user-group --uid 900 --home-dir /data --shell /usr/sbin/nologin tatara \
 && install -d -o tatara -g tatara -m 0750 /data /data/yum /run/redis /backup \
 && install -d -o tatara -g tatara -m 0700 /data/keys \
 && ln -s /app/bin/tatara /usr/local/bin/tatara
COPY --from=packages /opt/node /opt/node
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json tsconfig.json LICENSE ./
COPY bin ./bin
COPY scripts ./scripts
COPY src ./src
COPY workers ./workers
ENV PATH=/opt/node/bin:$PATH \
    NODE_ENV=production \
    NODE_USE_SYSTEM_CA=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=65536 \
    MALLOC_TRIM_THRESHOLD_=262144 \
    TATARA_HOST=0.0.0.0 \
    TATARA_DATA_DIR=/data
USER tatara
VOLUME /data
EXPOSE 8080
CMD ["node", "src/cli/main.ts", "up"]
