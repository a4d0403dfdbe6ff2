"""What the commands do, from their flags to their exit codes."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CollectorRegistry

from registrar.errors import InvalidField, printable
from registrar.spire.background import background
from topology.checks.check import Untrue
from topology.checks.token import read_token
from topology.conditions import parse_address
from topology.program import Exit
from topology.workloadapi import Unanswered, WorkloadAPI, X509Answer
from workloads import fetch as fetched
from workloads.authorizer import Authorizer, Tokens
from workloads.client import Refused, Request, ask
from workloads.health import health_app
from workloads.listening import KEEPALIVE_SECONDS, open_socket, serving
from workloads.peers import parse_expected
from workloads.policy import parse_policy
from workloads.server import Server, parse_listener
from workloads.source import Source


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"spire-workload: {line}\n")


async def fetch(arguments: argparse.Namespace) -> Exit:
    """``client fetch``."""
    agent = WorkloadAPI(arguments.socket)
    if arguments.token and len(arguments.audience) != 1:
        raise InvalidField("--token", str(arguments.audience), "name exactly one --audience")
    try:
        tokens = [await agent.token(audience) for audience in arguments.audience]
        if arguments.token:
            _say(tokens[0])
            return Exit.DONE
        answer = await agent.x509()
        lines = [*fetched.described(answer)]
        for text in tokens:
            lines += fetched.described_token(read_token(text))
    except (Unanswered, Untrue, ValueError) as error:
        _complain(f"{arguments.socket}: {error}")
        return Exit.FAILED
    for line in lines:
        _say(printable(line))
    if arguments.write is None:
        return Exit.DONE
    try:
        for path in await asyncio.to_thread(
            fetched.write, answer, arguments.write, der=arguments.der
        ):
            _say(f"wrote {path}")
    except OSError as error:
        raise InvalidField("--write", str(arguments.write), str(error.strerror)) from error
    return Exit.DONE


async def get(arguments: argparse.Namespace) -> Exit:
    """``client get``: once, or again and again until it is told to end."""
    agent, request = WorkloadAPI(arguments.socket), _request(arguments)
    if arguments.health and not arguments.every:
        raise InvalidField("--health", arguments.health, "it goes with --every")
    if not arguments.every:
        return await _get_once(agent, request)
    told, why_not = "", "no answer yet"
    async with AsyncExitStack() as stack:
        await _serve_health(stack, arguments.health, lambda: why_not, CollectorRegistry())
        while True:
            try:
                answer = await ask(agent, request)
            except (Refused, Unanswered) as error:
                news = why_not = str(error)
            else:
                news = f"{answer.status} {answer.body.decode(errors='replace').strip()}"
                why_not = news if answer.status >= 400 else ""
            if news != told:
                told = news
                _say(printable(news))
            await asyncio.sleep(arguments.every)


async def _get_once(agent: WorkloadAPI, request: Request) -> Exit:
    try:
        answer = await ask(agent, request)
    except (Refused, Unanswered) as error:
        _complain(str(error))
        return Exit.FAILED
    _complain(f"status {answer.status}")
    sys.stdout.write(answer.body.decode(errors="replace").rstrip("\n") + "\n")
    return Exit.DONE if answer.status < 400 else Exit.FAILED


def _request(arguments: argparse.Namespace) -> Request:
    try:
        scheme, host = urlsplit(arguments.url).scheme, urlsplit(arguments.url).hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in {"http", "https"} or not host:
        raise InvalidField("URL", arguments.url, "write https://HOST:PORT/PATH, or http:// as well")
    if arguments.through:
        parse_address(arguments.through, path="--through")
        if scheme == "https":
            raise InvalidField("URL", arguments.url, "write http: the proxy makes TLS of it")
    is_secret = scheme == "https"
    if not is_secret and (arguments.server or (arguments.audience and not arguments.through)):
        remedy = "write https: over http nobody shows who they are, and a token is seen by all"
        raise InvalidField("URL", arguments.url, remedy)
    headers = {}
    for text in arguments.header:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise InvalidField("--header", text, "write NAME: VALUE")
        headers[name.strip()] = value.strip()
    return Request(
        arguments.url,
        servers=parse_expected(arguments.server, path="--server") if is_secret else None,
        shows_certificate=not arguments.no_certificate,
        audience=arguments.audience,
        token_header=arguments.token_header,
        through=arguments.through,
        method=arguments.method,
        headers=headers,
    )


async def serve(arguments: argparse.Namespace) -> Exit:
    """``server``: until it is told to end."""
    if not arguments.listen:
        raise InvalidField("--listen", "", "say where: MODE=HOST:PORT")
    clients = parse_expected(arguments.client, path="--client")
    listeners = [parse_listener(text, path="--listen") for text in arguments.listen]
    server = Server(clients, arguments.audience)

    async def take(answer: X509Answer) -> None:
        await asyncio.to_thread(server.take, answer)

    source = Source(WorkloadAPI(arguments.socket), on_change=take)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background())
        await _serve_health(stack, arguments.health, source.why_not, CollectorRegistry())
        for each in listeners:
            listener = open_socket(each.host, each.port, path="--listen")
            app, context = server.app(each.mode, source), server.context(each.mode)
            await stack.enter_async_context(serving(app, listener, context))
        tasks.create_task(source.run())
        await asyncio.Event().wait()
    return Exit.DONE


async def authorize(arguments: argparse.Namespace) -> Exit:
    """``authorizer``: until it is told to end."""
    policy_file: Path = arguments.policy
    try:
        text = await asyncio.to_thread(policy_file.read_text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField("--policy", str(policy_file), str(error)) from error
    policy = parse_policy(text, path=str(policy_file))
    agent, registry = WorkloadAPI(arguments.socket), CollectorRegistry()
    source = Source(agent)
    authorizer = Authorizer(policy, source, Tokens(agent), registry)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(background())
        await _serve_health(stack, arguments.health, source.why_not, registry)
        runner = web.AppRunner(
            authorizer.app(),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.UnixSite(runner, arguments.listen).start()
        except OSError as error:
            remedy = f"cannot listen there: {error.strerror or error}"
            raise InvalidField("--listen", str(arguments.listen), remedy) from error
        tasks.create_task(source.run())
        await asyncio.Event().wait()
    return Exit.DONE


async def _serve_health(
    stack: AsyncExitStack, address: str, why_not: Callable[[], str], registry: CollectorRegistry
) -> None:
    if address:
        host, port = parse_address(address, path="--health")
        listener = open_socket(host, port, path="--health")
        await stack.enter_async_context(serving(health_app(why_not, registry), listener, None))
