# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""One ament_python package which is also one pip package: built by colcon and by pip."""

from glob import glob

from setuptools import find_packages, setup

NAME = 'lingbot_policy'
SHARE = f'share/{NAME}'

BASE = [
    'mcap',
    'numpy',
    'opencv-python-headless',
    'packaging',
    'pillow',
    'plotly',
    'psutil',
    'pydantic>=2',
    'PyYAML',
    'rich',
    'rosbags',
    'typer',
]

# Exact pins: without them pip takes the wheels of a newer ROS distribution.
ROS = [
    'ros-action-msgs==2.0.3',
    'ros-diagnostic-msgs==5.3.6',
    'ros-geometry-msgs==5.3.6',
    'ros-lifecycle-msgs==2.0.3',
    'ros-rclpy[fastrtps]==7.1.6',
    'ros-sensor-msgs==5.3.6',
    'ros-std-msgs==5.3.6',
    'ros-std-srvs==5.3.6',
    'ros-trajectory-msgs==5.3.6',
]

EXTRAS = {
    'ros': ROS,
    'model': ['torch==2.13.0', 'transformers==5.23.*'],
    'relay': ['roslibpy'],
    'sim': ['mujoco', 'PyOpenGL'],
    'train': ['tokenizers', 'torch==2.13.0', 'transformers==5.23.*'],
    'test': [
        'hypothesis',
        'pytest',
        'pytest-rerunfailures',
        'pytest-timeout',
        'pytest-xdist',
        'ruff',
        'safetensors',
    ],
    'colcon': [
        'colcon-bash',
        'colcon-cmake',
        'colcon-core',
        'colcon-defaults',
        'colcon-library-path',
        'colcon-metadata',
        'colcon-output',
        'colcon-package-selection',
        'colcon-parallel-executor',
        'colcon-python-setup-py',
        'colcon-recursive-crawl',
        'colcon-ros',
    ],
}
EXTRAS['all'] = sorted({name for extra in EXTRAS.values() for name in extra})

setup(
    name=NAME,
    version='0.1.0',
    description='Deployment of LingBot-VLA on dual-arm robots through ROS 2',
    author='The LingBot deployment authors',
    license='Apache-2.0',
    python_requires='>=3.11,<3.14',
    packages=find_packages(include=[f'{NAME}*', 'lingbot_training*', 'robot_configs']),
    package_data={NAME: ['data/**/*'], 'robot_configs': ['*.yaml']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', sorted(glob('launch/*_launch.py'))),
        (f'{SHARE}/robot_configs', sorted(glob('robot_configs/*.yaml'))),
        (f'lib/{NAME}', sorted(glob('scripts/*'))),
    ],
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['lingbot = lingbot_policy.cli.main:main']},
    zip_safe=False,
)
