# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The MuJoCo model of a robot file at a table: arms, parallel grippers, cameras, blocks.

Lengths come from the file's geometry; masses, gains and friction are plain stand-ins, chosen so
that a position command is followed in about 0.05 s, as the real arms do.
"""

from types import ModuleType

import numpy as np

from lingbot_policy.kinematics import arm_chain, ArmChain
from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.sim.cameras import local_view
from lingbot_policy.sim.tasks import BLOCK_SIZE, COLOURS, Layout, Task, ZONE_COLOUR, ZONE_SIZE

TIMESTEP_S = 0.004
WHITE, DARK, STEEL = (0.80, 0.80, 0.82, 1), (0.20, 0.20, 0.22, 1), (0.45, 0.46, 0.50, 1)
WOOD = (0.62, 0.58, 0.52, 1)
FINGERS = ('a', 'b')
# Only hands, blocks and the table touch: the stand-in arms are not meant to judge self-collision.
WORLD, HAND, BLOCK = 1, 2, 4


def stroke_m(robot: Robot, side: str) -> float:
    """Return the opening between the fingers in m; 0.08 where the wire does not say metres."""
    gripper = robot.file.grippers[side].state
    scale = {'m': 1.0, 'mm': 1e-3}.get(gripper.unit)
    return abs(gripper.open - gripper.closed) * scale if scale else 0.08


def build_model(mujoco: ModuleType, robot: Robot, task: Task, layout: Layout):
    """
    Return the compiled MjModel of a robot and a task.

    :raises ValueError: if the robot file asks for a vendor model, which is not supported yet.
    """
    geometry = robot.file.geometry
    if geometry.model is not None:
        raise ValueError(
            f'{robot.path}: geometry.model: found {geometry.model!r}, expected nothing: '
            'vendor models are not read yet; give links and leave model out'
        )
    spec = mujoco.MjSpec()
    _settings(mujoco, spec)
    _table(mujoco, spec, layout)
    for side in SIDES:
        _arm(mujoco, spec, robot, side, layout.table_z)
    for index, colour in enumerate(task.colours):
        _block(mujoco, spec, f'block_{index}', COLOURS[colour])
    for name, camera in geometry.cameras.items():
        view = local_view(camera)
        parent = spec.worldbody
        if camera.parent != 'base':
            parent = spec.body(robot.file.arms[camera.parent].joints[-1])
        parent.add_camera(
            name=name, pos=view.position, quat=_quat(mujoco, view.rotation), fovy=_deg(view.fov)
        )
    return spec.compile()


def _settings(mujoco, spec) -> None:
    spec.compiler.degree = False
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices = 10
    spec.visual.quality.numstacks = 4
    spec.visual.map.znear = 0.01
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.45, 0.45, 0.45]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.stat.extent = 1.5
    spec.stat.center = [0.3, 0.0, 0.2]


def _table(mujoco, spec, layout: Layout) -> None:
    x, y = layout.zone[0], 0.5 * (layout.zone[1] + layout.blocks[:, 1].mean())
    spec.worldbody.add_geom(
        name='table',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.55, 0.75, 0.02],
        pos=[x + 0.1, round(y, 1), layout.table_z - 0.02],
        rgba=WOOD,
        contype=WORLD,
        conaffinity=HAND | BLOCK,
        friction=[0.8, 0.01, 0.001],
    )
    spec.worldbody.add_geom(
        name='zone',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[ZONE_SIZE[0] / 2, ZONE_SIZE[1] / 2, 0.0005],
        pos=[*layout.zone, layout.table_z + 0.0005],
        rgba=[*ZONE_COLOUR, 1],
        contype=0,
        conaffinity=0,
    )


def _arm(mujoco, spec, robot: Robot, side: str, table_z: float) -> None:
    chain, arm = arm_chain(robot, side), robot.file.arms[side]
    speeds = arm.motor_max_velocity or arm.safe_max_velocity
    body = spec.worldbody.add_body(
        name=f'{side}_base', pos=chain.base, quat=_quat(mujoco, chain.base_rotation)
    )
    ends = [*chain.offsets, 0.5 * chain.tool]
    _bar(mujoco, body, ends[0], 0.05, DARK)
    for index, joint in enumerate(arm.joints):
        body = body.add_body(name=joint, pos=chain.offsets[index], gravcomp=1)
        body.add_joint(
            name=joint,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=chain.axes[index],
            range=[chain.lower[index], chain.upper[index]],
            limited=True,
            armature=0.1,
            damping=1.0,
        )
        _bar(mujoco, body, ends[index + 1], 0.032 if index < 3 else 0.025, WHITE)
        actuator = spec.add_actuator(
            name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, ctrllimited=True
        )
        actuator.set_to_position(kp=500.0, kv=18.0)
        actuator.ctrlrange = [chain.lower[index], chain.upper[index]]
        actuator.forcerange, actuator.forcelimited = [-40.0 * speeds[0], 40.0 * speeds[0]], True
    _hand(mujoco, spec, body, chain, side, stroke_m(robot, side))


def _bar(mujoco, body, to: np.ndarray, radius: float, colour) -> None:
    """Add a visual bar from the body's origin to ``to``, which also carries the link's mass."""
    if np.linalg.norm(to) < 0.01:
        to = np.array([0.0, 0.0, 0.01])
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[0, 0, 0, *to],
        size=[radius, 0, 0],
        mass=0.4,
        rgba=colour,
        contype=0,
        conaffinity=0,
    )


def _hand(mujoco, spec, wrist, chain: ArmChain, side: str, stroke: float) -> None:
    """Add palm and two sliding fingers; the tool point lies 0.015 m inside their tips."""
    hand = wrist.add_body(
        name=f'{side}_hand', pos=chain.tool, quat=_quat(mujoco, chain.in_last_link), gravcomp=1
    )
    box = mujoco.mjtGeom.mjGEOM_BOX
    touch = {'contype': HAND, 'conaffinity': WORLD | BLOCK}
    hand.add_geom(
        type=box, pos=[-0.07, 0, 0], size=[0.02, 0.05, 0.016], mass=0.2, rgba=DARK, **touch
    )
    for finger, sign in zip(FINGERS, (1.0, -1.0), strict=True):
        body = hand.add_body(name=f'{side}_finger_{finger}', gravcomp=1)
        body.add_joint(
            name=f'{side}_finger_{finger}',
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[0, sign, 0],
            range=[0.0, stroke / 2.0],
            limited=True,
            armature=0.5,
            damping=5.0,
        )
        body.add_geom(
            name=f'{side}_finger_{finger}',
            type=box,
            pos=[-0.0175, sign * 0.006, 0],
            size=[0.0325, 0.006, 0.012],
            mass=0.05,
            rgba=STEEL,
            friction=[1.5, 0.02, 0.001],
            condim=4,
            **touch,
        )
        actuator = spec.add_actuator(
            name=f'{side}_finger_{finger}',
            target=f'{side}_finger_{finger}',
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            ctrllimited=True,
        )
        actuator.set_to_position(kp=2000.0, kv=60.0)
        actuator.ctrlrange = [0.0, stroke / 2.0]
        actuator.forcerange, actuator.forcelimited = [-20.0, 20.0], True
    mirror = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        name1=f'{side}_finger_a',
        name2=f'{side}_finger_b',
    )
    mirror.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]


def _block(mujoco, spec, name: str, colour) -> None:
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=np.array(BLOCK_SIZE) / 2.0,
        mass=0.06,
        rgba=[*colour, 1],
        friction=[1.2, 0.02, 0.001],
        condim=4,
        contype=BLOCK,
        conaffinity=WORLD | HAND | BLOCK,
    )


def _quat(mujoco, rotation: np.ndarray) -> np.ndarray:
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(rotation).ravel())
    return quat


def _deg(angle: float) -> float:
    return float(np.degrees(angle))
