# Papillon as one static binary, run by an ordinary user, with its data in /data.
#
#   docker build -t papillon --build-arg VERSION="$(git describe --always --dirty)" .
#   docker run --rm -v papillon:/data papillon init --domain msn.example.org
#   docker run -d --name papillon -v papillon:/data -p 127.0.0.1:1863:1863 \
#     -e PAPILLON_MSN_PUBLIC_ADDRESS=127.0.0.1:1863 papillon
#   docker exec papillon papillon account add alice

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unversioned
RUN CGO_ENABLED=1 go build -trimpath \
      -tags 'goolm netgo osusergo sqlite_omit_load_extension' \
      -ldflags "-s -w -linkmode external -extldflags -static -X main.version=${VERSION}" \
      -o /papillon ./cmd/papillon

FROM alpine:3.22
RUN adduser -D -H -u 1863 papillon && install -d -m 0700 -o papillon -g papillon /data
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /papillon /usr/local/bin/papillon
USER 1863
WORKDIR /data
VOLUME /data
# Loopback would be out of reach here; what is published, and to whom, is up to
# -p. The registration that init writes names the container by its usual name.
ENV PAPILLON_MSN_LISTEN=0.0.0.0:1863 \
    PAPILLON_MATRIX_LISTEN=0.0.0.0:29341 \
    PAPILLON_MATRIX_APPSERVICE_URL=http://papillon:29341 \
    PAPILLON_HTTP_LISTEN=127.0.0.1:8080
EXPOSE 1863 29341
HEALTHCHECK CMD wget -q -O /dev/null http://127.0.0.1:8080/readyz
ENTRYPOINT ["papillon"]
CMD ["serve"]
