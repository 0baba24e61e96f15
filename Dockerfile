# Images with shardfs. `make image` builds both; docs and examples call them shardfs and shardfs-tools.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN make build VERSION="$VERSION"

# The program alone, static: for `shardfs k8s --tool-image`, for commands that shardfs has itself, and to copy from in Dockerfiles
# of images with other programs.
FROM scratch AS shardfs
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/shardfs /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["shardfs"]

# An example of an image for commands of your own. fuse3 is for users other than root who mount; pods do without.
FROM debian:13-slim AS tools
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates fuse3 graphicsmagick \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/bin/shardfs /usr/local/bin/
USER 65532:65532
