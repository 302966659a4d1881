# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import json

import pytest
import yaml

from lingbot_policy.model.config import DepthConfig, ExpertConfig, ModelConfig
from lingbot_policy.model.released import read_released_config

# As in Robbyant/lingbot-vla @ 61ef6b1: a PI0Config, and flags in three sections of a YAML.
PI0_CONFIG = {
    'type': 'pi0',
    'chunk_size': 50,
    'max_state_dim': 75,
    'max_action_dim': 75,
    'tokenizer_max_length': 72,
    'resize_imgs_with_padding': [224, 224],
    'num_steps': 10,
    'a_field_of_tomorrow': 1,
}
CLI = {
    'model': {'adanorm_time': True, 'old_adanorm': True, 'vocab_size': 257152},
    'data': {'img_size': 224, 'data_name': 'robotwin_5_new'},
    'train': {'loss_type': 'L1_fm', 'align_params': {}, 'norm_qkv': False},
}


@pytest.fixture
def write(tmp_path):
    def _write(fields=None, flags=None):
        (tmp_path / 'config.json').write_text(json.dumps(PI0_CONFIG | (fields or {})))
        if flags is not None:
            sections = CLI | {'model': CLI['model'] | flags}
            (tmp_path / 'lingbotvla_cli.yaml').write_text(yaml.safe_dump(sections))
        return tmp_path

    return _write


def test_a_released_folder_is_the_4b_model(write):
    assert read_released_config(write(flags={})) == ModelConfig.released_4b()


def test_a_folder_without_the_command_line_is_the_4b_model(write):
    config = read_released_config(write({'tokenizer_max_length': 24}))
    assert config == ModelConfig.released_4b(prompt_length=24)


def test_fields_that_were_dropped_after_the_release_have_their_defaults(tmp_path):
    (tmp_path / 'config.json').write_text('{"type": "pi0", "max_action_dim": 75}')
    assert read_released_config(tmp_path) == ModelConfig.released_4b()


def test_the_command_line_overrides_the_config_file(write):
    config = read_released_config(write(flags={'tokenizer_max_length': 24, 'chunk_size': 25}))
    assert (config.prompt_length, config.horizon) == (24, 25)


def test_depth_parameters_are_read(write):
    align = {
        'mode': 'query',
        'num_task_tokens': 8,
        'depth_loss_weight': 0.002,
        'depth': {'num_backbone_tokens': 256, 'dim_out': 1024, 'num_heads': 4, 'dim_head': 32},
    }
    folder = write()
    sections = CLI | {'train': CLI['train'] | {'align_params': align}}
    (folder / 'lingbotvla_cli.yaml').write_text(yaml.safe_dump(sections))
    assert read_released_config(folder).depth == DepthConfig(loss_weight=0.002)


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ({'adanorm_time': False}, r'adanorm_time = False \(supported: True\)'),
        ({'norm_qkv': True, 'vlm_causal': True}, r'norm_qkv = True .*; vlm_causal = True'),
        ({'split_gate_liner': True}, 'split_gate_liner = True'),
        ({'vocab_size': 1000}, 'vocab_size = 1000'),
        ({'align_params': {'mode': 'direct'}}, "align_params.mode = 'direct'"),
    ],
)
def test_another_architecture_is_refused_by_flag_and_value(write, flags, message):
    folder = write(flags=flags)
    sections = yaml.safe_load((folder / 'lingbotvla_cli.yaml').read_text())
    for name in ('align_params', 'norm_qkv'):
        sections['train'].pop(name)
    (folder / 'lingbotvla_cli.yaml').write_text(yaml.safe_dump(sections))
    with pytest.raises(ValueError, match=message) as error:
        read_released_config(folder)
    assert 'lingbotvla_cli.yaml' in str(error.value)


def test_sizes_of_another_backbone_come_from_its_own_folder(write, tmp_path):
    qwen = tmp_path / 'qwen'
    qwen.mkdir()
    text = {
        'hidden_size': 64,
        'num_hidden_layers': 36,
        'num_attention_heads': 16,
        'num_key_value_heads': 2,
        'head_dim': 128,
        'intermediate_size': 96,
        'vocab_size': 1000,
    }
    vision = {'depth': 2, 'hidden_size': 32, 'num_heads': 2, 'fullatt_block_indexes': [1]}
    (qwen / 'config.json').write_text(json.dumps(text | {'vision_config': vision}))
    config = read_released_config(write(), qwen)
    assert (config.vlm.width, config.vlm.mlp, config.vocabulary) == (64, 96, 1000)
    assert (config.vision.layers, config.vision.full_attention_layers) == (2, (1,))


def test_a_missing_or_broken_config_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'config\.json does not exist'):
        read_released_config(tmp_path)
    (tmp_path / 'config.json').write_text('{')
    with pytest.raises(ValueError, match=r'config\.json is not valid JSON'):
        read_released_config(tmp_path)


def test_files_that_are_not_what_they_should_be_are_named(write, tmp_path):
    with pytest.raises(ValueError, match=r'config\.json lacks vision_config'):
        read_released_config(write(), tmp_path)
    with pytest.raises(ValueError, match='max_state_dim = 32 and max_action_dim = 75'):
        read_released_config(write({'max_state_dim': 32}))
    (tmp_path / 'lingbotvla_cli.yaml').write_text('- model')
    with pytest.raises(ValueError, match=r'lingbotvla_cli\.yaml is not a mapping'):
        read_released_config(write())


@pytest.mark.parametrize('depth', [False, True])
def test_a_config_survives_json(depth):
    config = replace(ModelConfig.released_4b(depth=depth), view_patch_positions=True)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_missing_and_unknown_fields_are_named():
    values = ModelConfig.released_4b().to_dict()
    with pytest.raises(ValueError, match='colour'):
        ModelConfig.from_dict(values | {'colour': 1})
    values.pop('vlm')
    with pytest.raises(ValueError, match="lacks the field 'vlm'"):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_size': 225}, 'image_size 225 must be a multiple of 28'),
        ({'image_size': 140}, 'fit in one window of 112 px or be a multiple'),
        (
            {'expert': ExpertConfig(768, 35, 16, 2, 128, 2752)},
            r'vlm\.layers = 36 and expert\.layers = 35 must be equal',
        ),
    ],
)
def test_sizes_that_cannot_work_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(ModelConfig.released_4b(), **change)


def test_grids_follow_the_image_size():
    config = ModelConfig.released_4b()
    assert (config.patches_per_view, config.tokens_per_view) == (256, 64)
    small = replace(config, image_size=112)
    assert (small.patches_per_view, small.tokens_per_view) == (64, 16)
