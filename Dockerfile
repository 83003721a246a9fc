# syntax=docker/dockerfile:1
# The production image: what runs, without compilers, sources or development packages.

# The full image has what a native module needs where there is no ready-made one for the platform.
FROM node:20.19.5-bookworm AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM packages AS build
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
RUN npm run build

FROM node:20.19.5-bookworm-slim
LABEL org.opencontainers.image.title="Indelible" \
      org.opencontainers.image.description="Immutable, hash-chained, signed audit log" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
ENV NODE_ENV=production \
    INDELIBLE_HOST=0.0.0.0 \
    INDELIBLE_PORT=8080 \
    INDELIBLE_DATA_DIR=/data
# What this process keeps lies below /data alone: the rest of the file system can be read-only.
RUN mkdir /data && chown 1000:1000 /data
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
USER 1000:1000
VOLUME ["/data"]
EXPOSE 8080
# Accepted appends are finished within INDELIBLE_SHUTDOWN_MS (20 s): give the container longer than that to stop.
STOPSIGNAL SIGTERM
# Whether the process answers. Whether appends would be taken is /readyz: a restart does not mend a store that is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.INDELIBLE_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=32", "dist/cli/main.js"]
CMD ["serve"]
