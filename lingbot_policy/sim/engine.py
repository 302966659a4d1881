# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Loading MuJoCo late and with the right renderer: importing this package costs nothing."""

import os
from types import ModuleType

REMEDY = (
    'Pictures are drawn off-screen through EGL: install the Debian packages libegl1, '
    'libegl-mesa0 and libgl1-mesa-dri, and set MUJOCO_GL=egl (or leave it unset). '
    'Without pictures: World(..., render=False), or KinematicWorld.'
)


def load_mujoco() -> ModuleType:
    """
    Return the mujoco module, drawing through EGL unless MUJOCO_GL says otherwise.

    :raises ValueError: if it is not installed, or MUJOCO_GL names no usable renderer.
    """
    chosen = os.environ.setdefault('MUJOCO_GL', 'egl')
    try:
        import mujoco
        import mujoco.gl_context  # fails here, and not at the first picture
    except ModuleNotFoundError as error:
        if error.name == 'mujoco':
            raise ValueError(
                "mujoco is not installed: pip install 'lingbot-policy[sim]'"
            ) from error
        raise ValueError(f'MUJOCO_GL={chosen!r} cannot be used: {error}. {REMEDY}') from error
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise ValueError(f'MUJOCO_GL={chosen!r} cannot be used: {error}. {REMEDY}') from error
    return mujoco


def make_renderer(mujoco: ModuleType, model, height: int, width: int):
    """
    Return a renderer without shadows, multisampling or reflections.

    :raises ValueError: if no picture can be drawn on this machine.
    """
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # each OpenGL platform has errors of its own
        chosen = os.environ.get('MUJOCO_GL')
        raise ValueError(f'no picture with MUJOCO_GL={chosen!r}: {error}. {REMEDY}') from error
    flags = renderer.scene.flags
    for flag in ('SHADOW', 'REFLECTION', 'SKYBOX', 'HAZE', 'FOG'):
        flags[getattr(mujoco.mjtRndFlag, f'mjRND_{flag}')] = 0
    return renderer
