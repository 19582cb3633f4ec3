# syntax=docker/dockerfile:1.7
# The exporter of a Solace broker's figures, from its sources: its images have no tag that says what is in them.
FROM golang:1.26.3-alpine AS build
ARG COMMIT=e3ad23dc601ab58a55656c3c0b02b0ce65e4b750
ADD https://github.com/solacecommunity/solace-prometheus-exporter.git#${COMMIT} /src
WORKDIR /src
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /solace_prometheus_exporter ./cmd/solace-prometheus-exporter

FROM busybox:1.37.0-musl
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /solace_prometheus_exporter /usr/local/bin/solace_prometheus_exporter
COPY --chmod=0755 solace-exporter.sh /usr/local/bin/start
USER 65532:65532
EXPOSE 9628
ENTRYPOINT ["/usr/local/bin/start"]
