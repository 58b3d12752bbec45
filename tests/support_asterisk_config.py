"""The configuration folder of an Asterisk for tests and for a developer: ports of its own, loopback only."""

from __future__ import annotations

import fcntl
import math
import os
import random
import socket
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
AMI_USER = "campana"
AMI_SECRET = "test-bed-secret"

MODULES = (
    *("res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_crypto"),
    *("pbx_config", "res_http_websocket", "res_websocket_client", "res_pjproject", "res_pjsip", "res_pjsip_session"),
    *("res_pjsip_sdp_rtp", "res_pjsip_pubsub", "res_pjsip_caller_id", "res_pjsip_endpoint_identifier_ip"),
    *("res_pjsip_endpoint_identifier_user", "res_pjsip_authenticator_digest"),
    *("res_pjsip_outbound_authenticator_digest", "res_pjsip_outbound_registration", "res_pjsip_registrar"),
    *("res_pjsip_nat", "res_pjsip_rfc3326", "res_pjsip_header_funcs", "res_pjsip_dtmf_info", "res_pjsip_acl"),
    *("res_pjsip_refer", "res_rtp_asterisk", "res_srtp", "chan_pjsip", "res_audiosocket", "app_audiosocket"),
    *("chan_audiosocket", "chan_websocket", "bridge_simple", "bridge_softmix", "bridge_holding", "bridge_native_rtp"),
    *("codec_ulaw", "codec_alaw", "codec_a_mu", "codec_g722", "codec_resample"),
    *("format_wav", "format_sln", "format_pcm", "app_dial", "app_amd", "app_mixmonitor", "app_playback", "app_echo"),
    *("app_senddtmf", "app_verbose", "res_clioriginate", "app_userevent", "app_stack"),
    *("func_channel", "func_hangupcause", "func_logic", "func_callerid", "func_pjsip_endpoint", "func_dialplan"),
)

#: Files that Asterisk misses with an error in its log, though their defaults suit a test.
_EMPTY = ("acl", "amd", "ccss", "cel", "cli", "features", "pjproject", "pjsip_notify", "res_http_media_cache")
_EMPTY_TOO = (
    "sorcery",
    "stasis",
    "udptl",
    "cli_aliases",
    "cli_permissions",
    "dsp",
    "codecs",
    "dnsmgr",
    "named_acl",
    "chan_websocket",
)

_SLOTS = 200
_CONTROL_PORTS = 61000  # above the ephemeral range of Linux, so that nobody's bind to port 0 takes one of them
_RTP_PORTS = 10000
_RTP_RANGES = 8
_RTP_RANGE = 790  # two ports a call; below the SIP leg's own range, 16384-32767


def prefix() -> Path:
    """Where `scripts/asterisk install` puts Asterisk."""
    if chosen := os.environ.get("CAMPANA_ASTERISK_PREFIX"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "campana" / "asterisk"


@dataclass(frozen=True)
class Ports:
    """TCP ports of AMI, AMI over TLS and HTTP, UDP port of SIP, inclusive range of RTP; locked until `release`."""

    ami: int
    ami_tls: int
    http: int
    sip: int
    rtp: tuple[int, int]
    _lock: IO[str]

    @classmethod
    def reserve(cls) -> Ports:
        """A set that no other test bed on this machine uses and that nobody has bound."""
        folder = Path(tempfile.gettempdir()) / f"campana-asterisk-ports-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        for slot in random.sample(range(_SLOTS), _SLOTS):
            lock = (folder / str(slot)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            first, rtp = _CONTROL_PORTS + 4 * slot, _RTP_PORTS + _RTP_RANGE * (slot % _RTP_RANGES)
            if all(_free(first + at) for at in range(4)):
                return cls(first, first + 1, first + 2, first + 3, (rtp, rtp + _RTP_RANGE - 1), lock)
            lock.close()
        raise RuntimeError(f"no four free ports in a row from {_CONTROL_PORTS} on")

    def release(self) -> None:
        self._lock.close()


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


@dataclass(frozen=True)
class Trunk:
    """A pjsip endpoint without registration that leads to `host:port`.

    `qualify_s` 0 sends no OPTIONS: the trunk counts as reachable whatever is there.
    """

    port: int
    host: str = HOST
    qualify_s: int = 0
    #: How long an OPTIONS may go unanswered before the trunk counts as unreachable.
    qualify_timeout_s: float = 1.0
    codecs: str = "ulaw,alaw"
    #: Lines added to the endpoint.
    endpoint: str = ""


@dataclass(frozen=True)
class Options:
    """What a test may want otherwise.

    `read` and `write` are the manager user's permissions; `reporting` (CoreShowChannels) and `system` (MixMonitor)
    add theirs. `websockets` are names of websocket_client.conf and their ws:// addresses. `extra` maps a file name
    ("extensions.conf") to text appended to it. `without` are modules not to load.
    """

    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    read: str = "call,user"
    write: str = "originate,call"
    reporting: bool = False
    system: bool = False
    tls: bool = False
    websockets: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    @property
    def permissions(self) -> tuple[str, str]:
        more = ["reporting"] * self.reporting + ["system"] * self.system
        return ",".join([self.read, *more]), ",".join([self.write, *more])


def write_configuration(folder: Path, run_folder: Path, ports: Ports, options: Options) -> None:
    """Write `folder`/etc and what it refers to. `run_folder` needs a short path: it holds a Unix socket."""
    etc = folder / "etc"
    for name in ("etc", "log", "db", "spool", "keys/keys", "sounds", "cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_tone(folder / "sounds" / "tone.sln")
    if options.tls:
        _make_certificate(folder / "keys")
    texts = {f"{name}.conf": "" for name in (*_EMPTY, *_EMPTY_TOO)}
    texts |= {
        "asterisk.conf": asterisk_conf(folder, run_folder),
        "modules.conf": modules_conf(options.without),
        "logger.conf": "[general]\n[logfiles]\nmessages.log => notice,warning,error,verbose(3)\n",
        "cdr.conf": "[general]\nenable = no\n",
        "indications.conf": _INDICATIONS,
        "http.conf": f"[general]\nenabled = yes\nbindaddr = {HOST}\nbindport = {ports.http}\n",
        "rtp.conf": f"[general]\nrtpstart = {ports.rtp[0]}\nrtpend = {ports.rtp[1]}\n",
        "manager.conf": _manager_conf(folder, ports, options),
        "pjsip.conf": _pjsip_conf(ports, options.trunks),
        "websocket_client.conf": "".join(
            _WEBSOCKET.format(name=name, uri=uri) for name, uri in options.websockets.items()
        ),
        "extensions.conf": _EXTENSIONS.format(trunk=next(iter(options.trunks), "trunk"), sounds=folder / "sounds"),
    }
    for name in {*texts, *options.extra}:
        (etc / name).write_text(texts.get(name, "") + options.extra.get(name, ""), encoding="utf-8")


def asterisk_conf(folder: Path, run_folder: Path) -> str:
    """asterisk.conf for a folder laid out as `write_configuration` does, with the installed program's modules."""
    root = prefix() / "root"
    modules = next(root.glob("usr/lib/*/asterisk/modules"))
    return f"""[directories]
astetcdir => {folder}/etc
astmoddir => {modules}
astvarlibdir => {folder}
astdbdir => {folder}/db
astkeydir => {folder}/keys
astdatadir => {root}/usr/share/asterisk
astagidir => {folder}
astspooldir => {folder}/spool
astrundir => {run_folder}
astlogdir => {folder}/log
astsbindir => {root}/usr/sbin
astcachedir => {folder}/cache
[options]
verbose = 3
hideconnect = yes
"""


def modules_conf(without: tuple[str, ...] = ()) -> str:
    return "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in MODULES if name not in without)


_INDICATIONS = """[general]
country = us
[us]
description = United States
ringcadence = 2000,4000
dial = 350+440
busy = 480+620/500,0/500
ring = 440+480/2000,0/4000
congestion = 480+620/250,0/250
"""

_WEBSOCKET = """[{name}]
type = websocket_client
uri = {uri}
protocols = media
connection_type = per_call_config
connection_timeout = 2000
reconnect_interval = 500
reconnect_attempts = 2
tls_enabled = no
"""

_EXTENSIONS = """[globals]
[echo]
exten => _[+0-9]!,1,Answer()
 same => n,Echo()
[playback]
exten => _[+0-9]!,1,Answer()
 same => n,Playback({sounds}/tone)
 same => n,Hangup()
; Local/NUMBER@callback dials a number by the first trunk, and hands its cause on
[callback]
exten => _[+0-9]!,1,Dial(PJSIP/${{EXTEN}}@{trunk},60)
 same => n,Hangup(${{HANGUPCAUSE}})
; calls that come in by a trunk
[inbound]
exten => _[+0-9a-zA-Z]!,1,UserEvent(Inbound,Number: ${{EXTEN}},From: ${{CALLERID(num)}})
 same => n,Answer()
 same => n,Echo()
"""


def _manager_conf(folder: Path, ports: Ports, options: Options) -> str:
    tls = ""
    if options.tls:
        tls = f"tlsenable = yes\ntlsbindaddr = {HOST}:{ports.ami_tls}\n"
        tls += f"tlscertfile = {folder}/keys/ami.crt\ntlsprivatekey = {folder}/keys/ami.key\n"
    read, write = options.permissions
    return f"""[general]
enabled = yes
webenabled = no
bindaddr = {HOST}
port = {ports.ami}
{tls}
[{AMI_USER}]
secret = {AMI_SECRET}
deny = 0.0.0.0/0.0.0.0
permit = {HOST}/255.255.255.255
read = {read}
write = {write}
"""


def _pjsip_conf(ports: Ports, trunks: Mapping[str, Trunk]) -> str:
    text = f"[udp]\ntype = transport\nprotocol = udp\nbind = {HOST}:{ports.sip}\n"
    for at, (name, trunk) in enumerate(trunks.items()):
        text += f"""
[{name}]
type = endpoint
transport = udp
context = inbound
disallow = all
allow = {trunk.codecs}
direct_media = no
aors = {name}
{trunk.endpoint}
[{name}]
type = aor
contact = sip:{trunk.host}:{trunk.port}
qualify_frequency = {trunk.qualify_s}
qualify_timeout = {trunk.qualify_timeout_s}
"""
        if at == 0:
            text += f"[{name}]\ntype = identify\nendpoint = {name}\nmatch = {HOST}\n"
    return text


def write_tone(path: Path, ms: int = 1000, hz: int = 440) -> None:
    """A sine as signed linear, 8 kHz."""
    sine = (round(9000 * math.sin(2 * math.pi * hz * at / 8000)) for at in range(8 * ms))
    path.write_bytes(struct.pack(f"<{8 * ms}h", *sine))


def _make_certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"),
            *("-keyout", str(folder / "ami.key"), "-out", str(folder / "ami.crt")),
        ],
        check=True,
        capture_output=True,
    )
