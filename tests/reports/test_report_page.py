# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The report as HTML: its structure, and that a real browser draws it."""

from html.parser import HTMLParser
from pathlib import Path
import shutil
import subprocess

import pytest

from lingbot_policy.reports.figures import failures, figures
from lingbot_policy.reports.machine import hardware, versions
from lingbot_policy.reports.page import PhaseReport, write_report
from lingbot_policy.reports.series import read_series, STRIP_FRAMES

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


@pytest.fixture
def report(record_run, robot, tmp_path: Path) -> Path:
    """A report of a run that holds and of one that does not."""
    phases = []
    for policy, defect in (('expert', {}), ('lingbot', {'violations': 3})):
        series = read_series(record_run(**defect), robot)
        found = figures(series)
        phases.append(PhaseReport(policy, series, found, tuple(failures(found))))
    failed = [f'{phase.policy}: {line}' for phase in phases for line in phase.failed]
    result = {
        'ok': not failed, 'failed': failed, 'robot': robot.name, 'world': 'kinematic',
        'command': 'lingbot demo', 'started': '2026-11-21T10:00:00+00:00',
        'hardware': hardware(), 'versions': versions(),
    }  # fmt: skip
    path = tmp_path / 'report.html'
    write_report(path, phases, result)
    return path


class Outline(HTMLParser):
    """Collects what a page consists of, and fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ('script', 'style'):
            self.text.append(data)


def test_the_page_is_whole_and_needs_nothing_from_outside(report):
    outline = Outline()
    outline.feed(report.read_text())
    assert outline.open == []
    pictures = [attrs['src'] for tag, attrs in outline.tags if tag == 'img']
    assert len(pictures) == 2 * 3 * STRIP_FRAMES
    assert all(source.startswith('data:image/jpeg;base64,') for source in pictures)
    assert not [attrs for tag, attrs in outline.tags if tag in ('link', 'iframe')]
    assert not [attrs for tag, attrs in outline.tags if tag == 'script' and 'src' in attrs]
    plots = [a for tag, a in outline.tags if tag == 'div' and a.get('class') == 'plot']
    assert len(plots) == 2 * 3


def test_the_page_says_what_was_reached_and_what_does_not_hold(report, robot):
    outline = Outline()
    outline.feed(report.read_text())
    text = ' '.join(outline.text)
    for words in (
        *(robot.name, '1 figure does not hold', 'expected 0', 'Policy expert', 'Policy lingbot'),
        *('5.0 /s', '40 ms', '200.0 Hz', 'lift the <red> block', '<b>soft</b> start'),
        *('/executed_command', 'lingbot demo', 'bag_', 'x 0.99', '60%'),
    ):
        assert words in text, words


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium here: apt install chromium')
def test_a_browser_draws_every_plot(report, tmp_path: Path):
    flags = (
        '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run '
        '--disable-background-networking --disable-component-update --disable-sync '
        f'--user-data-dir={tmp_path / "profile"} --virtual-time-budget=20000 --dump-dom'
    )
    ended = subprocess.run(
        [CHROMIUM, *flags.split(), report.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    drawn = ended.stdout
    assert 'data-painted="yes"' in drawn  # report.js ran to its end
    assert drawn.count('class="main-svg"') >= 2 * 3
    assert 'fl_joint1' in drawn
