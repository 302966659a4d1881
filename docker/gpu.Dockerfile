# The GPU host: policy server with the CUDA build of torch on ROS 2 Jazzy.
#   docker build -f docker/gpu.Dockerfile -t lingbot-gpu .
#   docker run --rm --gpus all --net host --ipc host lingbot-gpu lingbot --help
# The CUDA libraries come with torch's wheels; the host needs the driver and nvidia-container-toolkit.
# Not built by the project's CI, which has no container engine.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-c"]
WORKDIR /lingbot
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    g++ libegl1 libgl1-mesa-dri make python3-colcon-common-extensions python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

COPY package.xml package.xml
COPY ros2_ws ros2_ws
RUN apt-get update \
 && rosdep update --rosdistro jazzy \
 && rosdep install -y --ignore-src --from-paths . ros2_ws/src \
 && rm -rf /var/lib/apt/lists/*

COPY . .
RUN . /opt/ros/jazzy/setup.bash && make install-ros EXTRAS=model,sim
RUN echo '. /opt/ros/jazzy/setup.bash && . /lingbot/.venv/ros/local_setup.bash' >/etc/profile.d/lingbot.sh
ENV PATH=/lingbot/.venv/bin:$PATH
ENTRYPOINT ["/bin/bash", "-lc", "exec \"$@\"", "--"]
CMD ["bash"]
