# The robot's own computer: chunk executor, safety gate and recorder on ROS 2 Jazzy, without torch.
#   docker build -f docker/robot.Dockerfile -t lingbot-robot .
#   docker run --rm --net host --ipc host lingbot-robot \
#     ros2 run lingbot_policy chunk_executor --ros-args -p robot:=agilex_cobot_magic -p autostart:=true
# --ipc host: images pass through shared memory. The vendor's driver runs beside it, see ros2_ws/drivers.repos.
# Not built by the project's CI, which has no container engine.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-c"]
WORKDIR /lingbot
RUN apt-get update \
 && apt-get install -y --no-install-recommends make python3-colcon-common-extensions python3-venv \
 && rm -rf /var/lib/apt/lists/*

COPY package.xml package.xml
COPY ros2_ws ros2_ws
RUN apt-get update \
 && rosdep update --rosdistro jazzy \
 && rosdep install -y --ignore-src --from-paths . ros2_ws/src \
 && rm -rf /var/lib/apt/lists/*

COPY . .
RUN . /opt/ros/jazzy/setup.bash && make install-ros EXTRAS=
RUN echo '. /opt/ros/jazzy/setup.bash && . /lingbot/.venv/ros/local_setup.bash' >/etc/profile.d/lingbot.sh
ENV PATH=/lingbot/.venv/bin:$PATH
ENTRYPOINT ["/bin/bash", "-lc", "exec \"$@\"", "--"]
CMD ["bash"]
