# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""For whom the arms move: which policy and instruction, and for how long after a hold."""

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.execution.strategies import find_strategy


class Licence:
    """
    Armed for one policy; in motion for its instructions; after a hold for the same one only.

    :param resume_window_s: longest hold after which motion goes on without arming anew.
    """

    def __init__(self, resume_window_s: float) -> None:
        self._resume_window_s = resume_window_s
        self._contract_digest = ''
        self._is_rtc_trained = False
        self._instruction: str | None = None  # the newest, where it was heard
        self._moving_for = ('', '')  # contract and instruction of the last motion
        self._hold_since_ns: int | None = None

    def expect(self, contract_digest: str, rtc_trained: bool) -> bool:
        """Take the contract of the policy server; return whether another was known before."""
        is_another = self._contract_digest not in ('', contract_digest)
        self._contract_digest, self._is_rtc_trained = contract_digest, rtc_trained
        return is_another

    def require_contract(self) -> None:
        """
        Refuse to arm for nobody.

        :raises ValueError: if no contract is known.
        """
        if not self._contract_digest:
            raise ValueError('no policy contract received; start the policy server first')

    def require_weights_for(self, strategy: str) -> None:
        """
        Refuse a strategy which the weights, where they are known, are not for.

        :raises ValueError: in that case, or for an unknown strategy.
        """
        if find_strategy(strategy).trained and self._contract_digest and not self._is_rtc_trained:
            raise ValueError(
                f'strategy {strategy}: the weights were not trained to continue a plan '
                '(rtc_trained_steps in policy.yaml); use rtc, blend or replace'
            )

    def begin(self) -> None:
        """Note that the executor was armed: any instruction may move the arms."""
        self._moving_for, self._hold_since_ns = ('', ''), None

    def require_same_contract(self, chunk: ActionChunk) -> None:
        """
        Refuse chunks of another policy.

        :raises RejectedChunk: contract.
        """
        if chunk.contract_digest != self._contract_digest:
            raise RejectedChunk(
                'contract', f'found {chunk.contract_digest}, expected {self._contract_digest}'
            )

    def instruct(self, instruction: str) -> None:
        """Take the newest instruction."""
        self._instruction = instruction

    def require_newest_instruction(self, chunk: ActionChunk) -> None:
        """
        Refuse a chunk which was made for an instruction before.

        :raises RejectedChunk: old_instruction.
        """
        if self._instruction is not None and chunk.instruction != self._instruction:
            raise RejectedChunk(
                'old_instruction',
                f'found {chunk.instruction!r}, expected {self._instruction!r}; a server that came '
                'later has not heard it: publish it again',
            )

    def is_new_after_hold(self, chunk: ActionChunk) -> bool:
        """Whether a chunk would end a hold for something else than what moved before it."""
        resumes = self._hold_since_ns is not None and self._moving_for != ('', '')
        return resumes and (chunk.contract_digest, chunk.instruction) != self._moving_for

    def moves_for(self, chunk: ActionChunk) -> None:
        """Note whose chunk was accepted."""
        self._moving_for = (chunk.contract_digest, chunk.instruction)

    def moved(self) -> None:
        """Note motion: no hold lasts."""
        self._hold_since_ns = None

    def held(self, now_ns: int) -> None:
        """Note that motion ended in a hold."""
        self._hold_since_ns = now_ns

    def overdue_s(self, now_ns: int) -> float:
        """Return for how many s a hold lasts which is too long, else 0."""
        if self._hold_since_ns is None:
            return 0.0
        held_s = (now_ns - self._hold_since_ns) * 1e-9
        return held_s if held_s > self._resume_window_s else 0.0
