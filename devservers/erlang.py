"""Evaluates expressions on a running Erlang node, over one connection."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping

# Reads one expression per line, evaluates it on the node, and prints the value in one line.
LOOP = """
Evaluate = fun(Line) ->
  {ok, Tokens, _} = erl_scan:string(Line),
  {ok, Parsed} = erl_parse:parse_exprs(Tokens),
  {value, Value, _} = rpc:call('%s', erl_eval, exprs, [Parsed, []]),
  Value
end,
Loop = fun(Self) ->
  case io:get_line("") of
    eof -> halt(0);
    Line -> io:format("~0p~n", [catch {ok, Evaluate(Line)}]), Self(Self)
  end
end,
Loop(Loop).
"""


class ErlangError(Exception):
    """An expression that failed, or a node that does not answer."""


class ErlangShell:
    """A process beside a node, which evaluates expressions there. It starts at the first one.

    The commands that come with a node start a process for each expression, which takes half a second of processor time.
    """

    def __init__(self, program: str, node: str, environment: Mapping[str, str]) -> None:
        self._command = [
            *(program, "+S", "1", "-noshell", "-hidden", "-sname", f"beside-{node}"),
            *("-eval", " ".join((LOOP % node).split())),
        ]
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def evaluate(self, expression: str) -> str:
        """Return the value of an expression, which ends with a period. Raises ErlangError."""
        with self._lock:
            process = self._process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(" ".join(expression.split()) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
        if not answer.startswith("{ok,"):
            raise ErlangError(answer)
        return answer.removeprefix("{ok,").removesuffix("}")

    def stop(self) -> None:
        """End the process if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
