# Somebody else's image as it is, with a program by which its health can be asked: these images have nothing but their own one.
ARG IMAGE=otel/opentelemetry-collector-contrib:0.138.0

FROM busybox:1.37.0-musl AS probe

FROM ${IMAGE}
# Statically linked; called as `/busybox wget`.
COPY --from=probe /bin/busybox /busybox
