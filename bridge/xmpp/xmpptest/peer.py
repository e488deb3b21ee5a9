"""People with slixmpp, an XMPP client that is not Papillon's.

Commands come as lines of JSON on standard input and are answered, in the order
in which they are done, by lines on standard output: {"re": N, "ok": ...} or
{"re": N, "error": {...}}. What arrives at a person is a line as well:
{"who": K, "event": "stanza" | "connected" | "disconnected", "xml": ...}.
The end of standard input ends everything.
"""
import asyncio
import inspect
import json
import os
import sys

try:
    import slixmpp
    from slixmpp.exceptions import IqError, IqTimeout, XMPPError
    from slixmpp.xmlstream import ET, tostring
except ImportError as cause:
    print(json.dumps({"fatal": str(cause)}), flush=True)
    sys.exit(1)

PLUGINS = [
    "xep_0004", "xep_0030", "xep_0045", "xep_0048", "xep_0050", "xep_0054", "xep_0066", "xep_0071", "xep_0077",
    "xep_0085", "xep_0115", "xep_0172", "xep_0184", "xep_0191", "xep_0199", "xep_0203", "xep_0249", "xep_0280",
    "xep_0297", "xep_0308", "xep_0313", "xep_0334", "xep_0359", "xep_0424", "xep_0428", "xep_0444",
    "xep_0461",
]
# How long a person waits before signing in again after a lost connection.
RECONNECT = 0.2


def tell(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Person(slixmpp.ClientXMPP):
    """One signed-in resource, which comes back by itself."""

    def __init__(self, who, jid, password, host, port, ca):
        super().__init__(jid, password)
        self.who, self.endpoint, self.ca_certs = who, (host, port), ca
        self.leaving, self.show, self.rooms, self.joining, self.retry = False, {}, {}, {}, None
        self.started = asyncio.get_event_loop().create_future()
        self.auto_authorize, self.auto_subscribe = None, False
        for name in PLUGINS:
            self.register_plugin(name)
        self.add_filter("in", self.on_stanza)
        self.add_event_handler("session_start", self.on_session)
        self.add_event_handler("failed_auth", self.on_refused)
        self.add_event_handler("disconnected", self.on_disconnected)
        self.add_event_handler("connection_failed", self.on_disconnected)

    def on_stanza(self, stanza):
        if isinstance(stanza, (slixmpp.Message, slixmpp.Presence, slixmpp.Iq)):
            tell({"who": self.who, "event": "stanza", "xml": tostring(stanza.xml)})
        if isinstance(stanza, slixmpp.Presence) and stanza["type"] == "error":
            attempt = self.joining.get(stanza["from"].bare)
            if attempt and not attempt.done():
                attempt.set_exception(IqError(stanza))
        return stanza

    async def on_session(self, _):
        try:
            await self.get_roster()
            await self["xep_0280"].enable()
            if self.show.get("ptype") != "unavailable":
                self.send_presence(**self.show)
            for room, nick in self.rooms.items():
                self["xep_0045"].join_muc(room, nick)
        except (XMPPError, asyncio.TimeoutError) as cause:
            self.fail(cause)
            return
        tell({"who": self.who, "event": "connected"})
        if not self.started.done():
            self.started.set_result(str(self.boundjid))

    def on_refused(self, stanza):
        self.fail(RuntimeError("not-authorized: " + str(stanza)))

    def fail(self, cause):
        self.leaving = True
        if not self.started.done():
            self.started.set_exception(cause)
        self.disconnect()

    def on_disconnected(self, cause):
        tell({"who": self.who, "event": "disconnected", "xml": str(cause)})
        self.cancel_connection_attempt()
        if self.retry:
            self.retry.cancel()
        if not self.leaving:
            self.retry = self.loop.call_later(RECONNECT, self.again)

    def again(self):
        if not self.leaving:
            self.connect(address=self.endpoint)


class Stage:
    """All people of this process, and what they can be told to do."""

    def __init__(self):
        self.people = {}

    async def login(self, who, jid, password, host, port, ca):
        person = self.people[who] = Person(who, jid, password, host, port, ca)
        person.connect(address=person.endpoint)
        return await person.started

    async def leave(self, who):
        person = self.people.pop(who)
        person.leaving = True
        await person.disconnect(wait=1.0)

    async def message(self, who, to, type, id, body="", subject="", xhtml="", state="", receipt=False, replaces="",
                      reply_to="", reply_id="", oob="", nick="", extra=""):
        message = self.people[who].make_message(mto=to, mtype=type, mbody=body or None, msubject=subject or None,
                                                mnick=nick or None)
        message["id"] = id
        message.enable("origin_id")
        message["origin_id"]["id"] = id
        if xhtml:
            message["html"]["body"] = xhtml
        if state:
            message["chat_state"] = state
        if receipt:
            message["request_receipt"] = True
        if replaces:
            message["replace"]["id"] = replaces
        if reply_id:
            message["reply"]["id"], message["reply"]["to"] = reply_id, reply_to
        if oob:
            message["oob"]["url"] = oob
        for child in ET.fromstring("<x>" + extra + "</x>"):
            message.append(child)
        message.send()

    async def presence(self, who, **show):
        self.people[who].show = show
        self.people[who].send_presence(**show)

    async def join(self, who, room, nick):
        # slixmpp itself misses some refusals, and waits on.
        person = self.people[who]
        refused = person.joining[room] = person.loop.create_future()
        entered = asyncio.ensure_future(person["xep_0045"].join_muc_wait(room, nick, maxstanzas=0, timeout=60))
        await asyncio.wait({refused, entered}, return_when=asyncio.FIRST_COMPLETED)
        del person.joining[room]
        entered.cancel() if refused.done() else refused.cancel()
        await (refused if refused.done() and not refused.cancelled() else entered)
        person.rooms[room] = nick

    async def part(self, who, room):
        person = self.people[who]
        person["xep_0045"].leave_muc(room, person.rooms.pop(room))

    async def raw(self, who, xml):
        self.people[who].send_raw(xml)

    async def iq(self, who, type, to, xml):
        iq = self.people[who].make_iq(id=self.people[who].new_id(), ito=to or None, itype=type)
        iq.append(ET.fromstring(xml))
        return await iq.send(timeout=60)

    async def call(self, who, plugin, method, args):
        """Calls any method of the client or of one of its plugins."""
        owner = self.people[who]
        if plugin:
            owner = owner[plugin]
        result = getattr(owner, method)(**args)
        return await result if inspect.isawaitable(result) else result

    async def command(self, re, do, args):
        try:
            result = await getattr(self, do)(**args)
        except IqError as cause:
            error = cause.iq["error"]
            tell({"re": re, "error": {"type": error["type"], "condition": error["condition"], "text": error["text"]}})
        except (XMPPError, IqTimeout) as cause:
            tell({"re": re, "error": {"condition": cause.condition, "text": cause.text}})
        except Exception as cause:  # whatever it is, the caller is to know
            tell({"re": re, "error": {"text": type(cause).__name__ + ": " + str(cause)}})
        else:
            known = isinstance(result, (str, type(None)))
            tell({"re": re, "ok": result if known else tostring(result.xml) if hasattr(result, "xml") else str(result)})


async def main():
    stage, tasks = Stage(), set()
    lines = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tell({"ready": slixmpp.__version__})
    while line := await lines.readline():
        task = asyncio.ensure_future(stage.command(**json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)  # at once: a connection may be one that never ends


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
