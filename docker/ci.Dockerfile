# A bare machine without ROS: what `make test` needs, and nothing else.
#   docker build -f docker/ci.Dockerfile -t lingbot-ci . && docker run --rm --ipc host lingbot-ci
# Not built by the project's CI, which has no container engine.
FROM debian:12-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    ca-certificates cmake g++ git libegl1 libgl1-mesa-dri make python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /lingbot
COPY . .
RUN make setup
CMD ["make", "test"]
