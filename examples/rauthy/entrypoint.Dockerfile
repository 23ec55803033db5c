# Rauthy behind Holdfast, where there is no init step: the entrypoint restores when it is asked to,
# and becomes Rauthy. Backups are still made by a `holdfast daemon` beside it.
FROM holdfast
COPY --from=ghcr.io/sebadob/rauthy:0.35.2 /app /app
RUN install -d -o 10001 -g 10001 -m 700 /app/data /app/.holdfast
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["holdfast", "restore", "--boot", "--", "/app/rauthy", "serve"]
CMD []
