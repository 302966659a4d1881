# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What doctor tries out; each trial that may crash or hang runs in a process of its own."""

import json
import os
from pathlib import Path
import subprocess
import sys
import threading

from lingbot_policy.robot import Robot

TRIAL_S = 60.0
_ROS_TRIAL = """
import importlib, json, sys
answer = {}
def attempt(piece, load):
    try:
        load()
    except Exception as error:
        answer[piece] = f'{type(error).__name__}: {error}'
def rclpy():
    import rclpy
    context = rclpy.Context()
    rclpy.init(context=context)
    context.shutdown()
def load(name):
    package, kind, symbol = name.split('/')
    getattr(importlib.import_module(f'{package}.{kind}'), symbol)
attempt('rclpy', rclpy)
attempt('lingbot_msgs', lambda: load('lingbot_msgs/msg/ActionChunk'))
for name in sys.argv[1:]:
    attempt(name, lambda: load(name))
print(json.dumps(answer))
"""
_RENDER_TRIAL = """
from lingbot_policy.sim.engine import load_mujoco, make_renderer
mujoco = load_mujoco()
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light pos="0 0 3"/>'
    '<geom type="box" size="1 1 1" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = make_renderer(mujoco, model, 48, 64)
renderer.update_scene(data)
if renderer.render().max() == 0:
    raise ValueError('the picture is black')
from OpenGL.GL import GL_RENDERER, glGetString
print(glGetString(GL_RENDERER).decode())
"""
_TORCH_TRIAL = """
import torch
cuda = torch.cuda.is_available()
where = torch.cuda.get_device_name() if cuda else f'CPU, {torch.get_num_threads()} threads'
print(f'{torch.__version__}, CUDA {torch.version.cuda}: {where}' if cuda else
      f'{torch.__version__}, {where}')
"""


def message_types(robot: Robot) -> tuple[str, ...]:
    """Return every interface type the robot file names, services of arming included."""
    file = robot.file
    bound = [*file.state_topics.values(), *file.command_topics.values(), *robot.cameras.values()]
    return tuple(sorted({topic.type for topic in bound} | set(service_types(robot))))


def service_types(robot: Robot) -> tuple[str, ...]:
    """Return the types of arming and disarming steps: a simulation does without them."""
    steps = (*robot.file.arming, *robot.file.disarming)
    return tuple(sorted({step.type for step in steps if step.type}))


def try_ros(types: tuple[str, ...]) -> dict[str, str]:
    """Return the problem of each piece that does not load: rclpy, lingbot_msgs, message types."""
    problem, answer = _attempt(_ROS_TRIAL, *types)
    return {'rclpy': problem} if problem else json.loads(answer)


def try_rendering() -> tuple[str, str]:
    """Return (problem, '') or ('', name of what draws) for a tiny off-screen picture."""
    return _attempt(_RENDER_TRIAL)


def try_torch() -> tuple[str, str]:
    """Return (problem, '') or ('', version and device)."""
    return _attempt(_TORCH_TRIAL)


def try_bundle(folder: Path, robot: Robot) -> str:
    """Return what is wrong with a bundle, '' if nothing is."""
    from lingbot_policy.bundle import load_bundle  # late: doctor also runs where it cannot load

    try:
        load_bundle(folder, robot)
    except (ValueError, OSError) as error:
        return str(error)
    return ''


def lingering_segments(folder: Path) -> tuple[int, int]:
    """Return number and bytes of Fast DDS segments which no process has open."""
    segments = [*folder.glob('fastrtps_*'), *folder.glob('sem.fastrtps_*')]
    used = _mapped_files()
    dead = [path for path in segments if str(path) not in used]
    return len(dead), sum(path.stat().st_blocks * 512 for path in dead if path.exists())


def _mapped_files() -> set[str]:
    mapped = set()
    for maps in Path('/proc').glob('[0-9]*/maps'):
        try:
            lines = maps.read_text().splitlines()
        except OSError:  # ended meanwhile, or another user's
            continue
        mapped.update(line.split(maxsplit=5)[-1] for line in lines if '/dev/shm/' in line)
    return mapped


def may_run_realtime() -> bool:
    """Whether a thread may run under SCHED_FIFO, tried on one that ends at once."""
    permitted = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            return
        permitted.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(permitted)


def _attempt(program: str, *arguments: str) -> tuple[str, str]:
    """Run Python in a process of its own; return (problem, last line of its output)."""
    try:
        trial = subprocess.run(
            [sys.executable, '-c', program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f'no answer within {TRIAL_S:.0f} s', ''
    lines = [line for line in trial.stdout.splitlines() if line.strip()]
    if trial.returncode == 0 and lines:
        return '', lines[-1]
    errors = [line for line in trial.stderr.splitlines() if line.strip()]
    if trial.returncode < 0:
        return f'crashed with signal {-trial.returncode}', ''
    return (errors or ['ended without a word'])[-1], ''
