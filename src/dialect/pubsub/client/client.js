// The browser's and Node's side of the pubsub dialect: one room of events over one WebSocket that mends itself.
//
// It reconnects with full jitter and resumes from its cursor (epoch and last number), so that what was published
// while it was away is heard late, in order and once; what can no longer be had is told as a gap. Nothing here is
// shared between two rooms. The types, and what each call promises, are in client.d.ts.
//
// What is wanted, asked and confirmed of an event name are three things, and its one record in `wanted` has all three:
//
// * It is *wanted* while it has handlers (`who`). These are the page's to change, at any time and in any state.
// * It is *asked* if the server of this connection (`turn`) was sent the request for it. While the room is open and
//   no microtask is due, what is asked is what is wanted: the net difference is sent once per microtask, but what is
//   new before a publish. The first request after a welcome names everything, because only that is replayed to.
// * It is *confirmed* (`known`) once a server said `subscribed`. What a server refuses is not wanted any more: its
//   subscribers are told, and it is not asked for again. A list that is refused is asked for in pieces: what was
//   confirmed before, as a list, so that it is replayed to; and the others one by one.
//
// A request is in `requests` from being sent until its reply, in the order of both; a publish from being asked for
// until its promise is settled. No request outlives its connection but a publish that no server can have read.
//
// A handler hears the numbers from its own `from` on, ascending, and nothing once the room is closed.

/** The page, the worker or Node: what is asked of it need not be there. */
const here = globalThis;
/** Close codes that no further attempt can mend, with the code of the error that is told. */
const FINAL = {
  4400: "bad_request",
  4401: "unauthorized",
  4403: "forbidden",
  4404: "not_found",
  4409: "conflict",
};
/** What may be offered as a subprotocol: a token of HTTP (RFC 9110 §5.6.2), which is not offered already. */
const SUBPROTOCOL = /^(?!fanfare$)[\w!#$%&'*+.^`|~-]+$/i;

/** Opens a room. Returns at once; what can be wrong with the arguments is thrown. */
export function connect({
  url,
  token,
  eventId,
  sessionId,
  WebSocket = here.WebSocket,
  queue = 64,
  timeout = 10_000,
  limit = 1_048_576,
  backoff: { base = 500, cap = 30_000 } = {},
} = {}) {
  // Here, and not above, a minifier puts the numbers themselves into the code.
  const UNAUTHORIZED = 4401;
  /** The socket went away without a word (RFC 6455 §7.4.1). */
  const ABNORMAL = 1006;
  /** A message was longer than the server takes (the same section). It reads nothing that comes behind it. */
  const TOO_LONG = 1009;
  /** The server asks its clients to come back: it restarts. */
  const RESTART = 1012;
  /** `WebSocket.OPEN`; a constructor that was passed in need not have it. */
  const OPEN = 1;
  /** How often clocks are compared: timers stand still while a computer sleeps. */
  const CHECK_MS = 1_000;
  /** An attempt that is not welcomed within this time is given up: browsers would wait for minutes. */
  const WELCOME_MS = 20_000;
  /** A connection that lived this long was a success; a shorter one counts as one more failed attempt. */
  const LASTED_MS = 5_000;
  /** Ids of events that are remembered, to drop what comes twice. */
  const RECENT_IDS = 256;
  /** A message of this length is not what was too long, whatever a server says. */
  const SHORT_BYTES = 4_096;
  /** What a server takes for a name, and how many. It has the last word, but one that it refuses may spoil others. */
  const NAME_BYTES_MAX = 1_024;
  const NAMES_MAX = 256;

  need(eventId && sessionId, "eventId and sessionId");
  const address = roomAddress(url);
  const query = address.searchParams;
  query.set("event_id", eventId);
  query.set("session_id", sessionId);
  need(WebSocket, "connect({ WebSocket })");

  /** Records `{ name, who, left, asked, known }` by event name, and `{ who, left }` by what `on` knows. */
  const wanted = new Map();
  const listeners = new Map();
  /** Records `{ text, bytes, reply, dueAt, sent }` by ref; only a publish has a time when it is due. */
  const requests = new Map();
  let refs = 0;
  /** The server does not let this client unsubscribe. */
  let mute;

  let status = "connecting";
  let socket;
  /** Which attempt this is: what an earlier one still has to say is not heard. */
  let turn = 0;
  let failures = 0;
  let askedAgain;
  /** The server's last words about a connection that it did not welcome. */
  let complaint;
  let heardAt, silenceMs, welcomedAt, leaving;

  /** The cursor to resume from. */
  let epoch, last;
  /** While the room is open: the first number of which is not known that it was published. */
  let head;
  let resetTold;
  /** The number of the last event handed out in this epoch; replays end up behind it. */
  let seen = -1;
  const recent = new Set();

  /** The one thing that waits for its time: an attempt to connect, or to leave. */
  let timer, dueAt, planned;

  /** Plans it, with full jitter: a server that comes back is not met by everyone at the same moment. */
  function later(most, what) {
    clearTimeout(timer);
    planned = what;
    const delay = Math.random() * Math.min(cap, most);
    dueAt = now() + delay;
    timer = setTimeout(hurry, delay);
    return delay;
  }

  function hurry() {
    const what = planned;
    planned = undefined;
    what?.();
  }

  /** Calls handlers, until one of them closes the room. One that throws is reported and harms nobody else. */
  function tell(who = [], value, detail) {
    const mine = turn;
    for (const one of who) {
      if (mine !== turn || detail?.number < one.from) continue;
      try {
        one.handler?.(value, detail);
      } catch (error) {
        (here.reportError ?? console.error)(error);
      }
    }
  }

  function emit(kind, value, detail) {
    const who = listeners.get(kind)?.who;
    if (who?.[0]) tell(who, value, detail);
    else if (kind === "error") console.error(value);
  }

  function complain(error) {
    emit("error", error);
  }

  function change(to, detail) {
    emit("status", (status = to), detail);
  }

  // --- The connection's life: connecting → open → waiting → connecting …, and closed from anywhere ---

  async function start() {
    const mine = ++turn;
    heardAt = now();
    silenceMs = WELCOME_MS;
    welcomedAt = complaint = resetTold = undefined;
    change("connecting");
    // Not before whoever called `connect` had the time to listen to errors.
    await null;
    let secret = token;
    try {
      // A function has a `call`.
      if (mine === turn && token?.call) secret = await token();
    } catch (cause) {
      // Whoever hands out tokens may be as unreachable as the server is.
      if (mine === turn) complain(failure("token", cause?.message, cause));
      return lost(mine, ABNORMAL, "no token");
    }
    if (mine !== turn) return;
    if (epoch) {
      query.set("last_event", last);
      query.set("epoch", epoch);
    }
    const offered = secret && SUBPROTOCOL.test(secret);
    try {
      socket = new WebSocket(address.href, offered ? ["fanfare", secret] : ["fanfare"]);
    } catch (cause) {
      return end(failure("bad_request", cause.message, cause));
    }
    socket.onopen = () => {
      if (mine !== turn || !secret || offered) return;
      socket.send(JSON.stringify({ action: "authenticate", data: { token: secret }, ref: ++refs }));
    };
    socket.onmessage = (event) => {
      if (mine !== turn) return;
      heardAt = now();
      try {
        hear(JSON.parse(event.data));
      } catch (cause) {
        complain(failure("protocol", cause.message, cause));
      }
    };
    socket.onclose = (event) => lost(mine, event.code, event.reason);
    // Browsers say "close" after this; Node 22 says nothing more of a connection that could not be made.
    socket.onerror = () => lost(mine, ABNORMAL);
  }

  /** Lets go of the socket. A dead one takes its time to close, so nobody waits for it. */
  function drop() {
    turn++;
    clearTimeout(timer);
    planned = leaving = head = undefined;
    socket?.close();
    for (const [ref, one] of requests) {
      if (!one.sent) continue;
      requests.delete(ref);
      if (one.dueAt) one.reply(failure("unknown", "no answer"));
    }
  }

  /** The connection is gone. At once, if it had lasted, is when the fault is this one connection's. */
  function lost(mine, code, reason, atOnce) {
    if (mine !== turn) return;
    if (code === TOO_LONG) spare();
    drop();
    reason = complaint || reason || "";
    const lasted = now() - welcomedAt >= LASTED_MS;
    if (lasted) failures = askedAgain = 0;
    if (code in FINAL) {
      const again = code === UNAUTHORIZED && token?.call && !askedAgain;
      if (!again) return end(failure(FINAL[code], reason));
      askedAgain = 1;
    }
    const most = base * 2 ** failures++;
    const delay = later(atOnce && lasted ? 0 : most, start);
    change("waiting", { code, reason, delay, attempt: failures });
  }

  /** A message was too long: the longest, or one before that. No server has read what is behind the longest. */
  function spare() {
    let longest, behind;
    let bytes = SHORT_BYTES;
    for (const one of requests.values()) {
      if (one.sent && one.bytes > bytes) {
        longest = one;
        bytes = one.bytes;
        behind = [];
      } else behind?.push(one);
    }
    if (!longest) return;
    limit = bytes - 1;
    for (const one of behind) one.sent = !one.dueAt;
    // A name that was too long is refused when it is to be asked for again.
    longest.dueAt &&= longest.reply(failure("too_large"));
  }

  function end(error) {
    drop();
    clearInterval(checking);
    listenTo("remove");
    for (const ref of requests.keys()) settle(ref, error ?? failure("closed"));
    // From here on nothing is queued, whatever handlers do.
    status = "closed";
    if (error) complain(error);
    change("closed", error && { reason: error.message });
  }

  // --- Time ---

  function check() {
    const time = now();
    for (const [ref, one] of requests) {
      if (!(time >= one.dueAt)) continue;
      one.dueAt = 0;
      if (!one.sent) requests.delete(ref);
      one.reply(failure(one.sent ? "unknown" : "timeout", "no answer"));
    }
    if (planned) {
      if (time >= dueAt) hurry();
    } else if (Math.abs(time - heardAt) > silenceMs) {
      // Either way: a clock that was set back says nothing about how long it was silent.
      lost(turn, ABNORMAL, "silence", true);
    } else leave();
  }

  /** The page says when it wakes up and when the network is back. */
  function listenTo(does) {
    does += "EventListener";
    here[does]?.("online", online);
    here.document?.[does]("visibilitychange", check);
  }

  function online() {
    if (status === "waiting") dueAt = 0;
    check();
  }

  /** Leaves a server that asked for it, but not while it has answers to give. */
  function leave() {
    if (!leaving) return;
    for (const one of requests.values()) if (one.sent && one.dueAt) return;
    lost(turn, RESTART, "reconnect", true);
  }

  // --- What the server says ---

  function hear(message) {
    const { action, data, ref } = message;
    switch (action) {
      case undefined:
        return deliver(message);
      case "welcome":
        return welcome(data);
      case "heartbeat":
        // Up to there everything was said, heard or not wanted: a cursor that is older would fall behind the log.
        if (data?.next > last) past(data.next - 1);
        return;
      case "gap":
        if (!data.reset) {
          past(Math.max(last, data.to));
          emit("gap", data);
        } else if (!resetTold) {
          forget();
          emit("gap", data);
        }
        return;
      case "error": {
        const error = failure(data.code, data.message);
        if (requests.has(ref)) settle(ref, error);
        else if (status === "open") complain(error);
        else complaint = error.message;
        return;
      }
      case "reconnect":
        // The two clocks need not agree, so a moment that is far away is not believed.
        later(Math.max(0, data.before - now()), () => {
          leaving = true;
          leave();
        });
        return;
      default:
        settle(ref, undefined, data);
    }
  }

  function welcome(data) {
    const mine = turn;
    head = data.next;
    const reset = epoch && epoch !== data.epoch;
    if (reset) forget();
    if (!epoch) last = head - 1;
    epoch = data.epoch;
    silenceMs = 1_500 * data.heartbeat;
    welcomedAt = heardAt;
    status = "open";
    // Who came while nobody was connected hears from here on: what is replayed is for the others.
    for (const { who } of wanted.values()) for (const one of who) one.from ??= head;
    // The first request decides what is replayed, so it names everything that can be a name. Without one it still has
    // to come: a subscription that is made later is not meant to hear what was before.
    const proper = ({ name, who }) => who[0] && name && bytesOf(name) <= NAME_BYTES_MAX;
    const names = [...wanted.values()].filter(proper).slice(0, NAMES_MAX);
    if (names[0]) subscribe(names, true);
    else unsubscribe();
    for (const [ref, one] of requests) send(ref, one);
    change("open");
    askForNew();
    if (mine === turn && reset) emit("gap", { reset: true });
  }

  /** The log began a new life. What it still has is replayed; what was before is lost, and told once. */
  function forget() {
    resetTold = true;
    seen = -1;
    last = head - 1;
    for (const { who } of wanted.values()) for (const one of who) one.from &&= 0;
  }

  /** Everything up to there was said. */
  function past(number) {
    last = number;
    head = Math.max(head, number + 1);
  }

  function deliver({ eventName, data, id, number }) {
    if (number <= seen || recent.has(id)) return;
    if (number >= 0) past((seen = number));
    recent.add(id);
    if (recent.size > RECENT_IDS) recent.delete(recent.values().next().value);
    tell(wanted.get(eventName)?.who, data, { id, number, eventName });
  }

  // --- What the server is asked ---

  /** Makes a request. Only a publish, which is due at some time, waits for a connection. */
  function request(action, data, reply, dueAt) {
    const ref = ++refs;
    const one = { text: JSON.stringify({ action, data, ref }), reply, dueAt };
    one.bytes = bytesOf(one.text);
    if (one.bytes > limit) return reply(failure("too_large"));
    if (send(ref, one) || !dueAt) return;
    if ([...requests.values()].filter((one) => !one.sent).length >= queue) reply(failure("queue_full"));
    else requests.set(ref, one);
  }

  function send(ref, one) {
    // A socket that is about to close swallows what it is given.
    if (one.sent || leaving || status !== "open" || socket.readyState !== OPEN) return;
    socket.send(one.text);
    one.sent = true;
    return requests.set(ref, one);
  }

  function settle(ref, error, data) {
    const one = requests.get(ref);
    requests.delete(ref);
    one?.reply(error, data);
    leave();
  }

  /** Asks for names: for all with the first request, and later for one. */
  function subscribe(names, isFirst) {
    const list = names.map((one) => ((one.asked = turn), one.name));
    request("subscribe-event", isFirst ? { eventNames: list } : { eventName: list[0] }, (error) => {
      const still = names.filter((one) => one.who[0]);
      const known = still.filter((one) => one.known);
      for (const one of names) {
        // What was refused although all of it was known is not known any more.
        one.known = !error || (one.known && list[known.length]);
        one.asked = !error && turn;
      }
      if (!error) return;
      if (!list[1] || error.code === "forbidden") {
        // It is of the one name that was asked for, or of who asks: nobody wants these any more.
        error.eventNames = still.map((one) => {
          one.who = [];
          return one.name;
        });
        if (still[0]) complain(error);
      } else if (known[0]) subscribe(known, true);
      askForNew();
      if (isFirst && !wanted.has("none")) unsubscribe();
    });
  }

  /** Leaves a name, or one that is not heard, which says that nothing is wanted of what was missed. */
  function unsubscribe(eventName = "none") {
    if (mute) return;
    request("unsubscribe-event", { eventName }, (error) => {
      // Another refusal is of a name that never was heard.
      if ((mute = error?.code === "forbidden")) complain(error);
    });
  }

  /** Asks for what is wanted and was not asked for. */
  function askForNew() {
    for (const one of wanted.values()) {
      if (status === "open" && one.who[0] && one.asked !== turn) subscribe([one]);
    }
  }

  /** Makes what is asked what is wanted. */
  function reconcile() {
    for (const one of wanted.values()) {
      one.left = [];
      if (one.who[0]) continue;
      wanted.delete(one.name);
      if (one.asked === turn) unsubscribe(one.name);
    }
    askForNew();
  }

  /** Adds a handler; returns what removes it again. */
  function listen(map, name, handler) {
    need(typeof handler === "function", "a function");
    const all = map.get(name) ?? { name, who: [], left: [] };
    map.set(name, all);
    // Who comes in the same tick in which another leaves takes its place, and hears all that it would have heard.
    const one = { from: head, ...all.left.pop(), handler };
    // A new list each time: whoever is being told walks the old one.
    all.who = [...all.who, one];
    queueMicrotask(reconcile);
    return () => {
      if (!all.who.includes(one)) return;
      one.handler = undefined;
      all.who = all.who.filter((other) => other !== one);
      all.left.push(one);
      queueMicrotask(reconcile);
    };
  }

  const checking = setInterval(check, CHECK_MS);
  listenTo("add");
  start();

  return {
    get status() {
      return status;
    },
    subscribe: (name, handler) => listen(wanted, `${name}`, handler),
    publish: (eventName, event) =>
      new Promise((resolve, reject) => {
        // Who has just subscribed hears itself.
        askForNew();
        if (status === "closed") throw failure("closed");
        request(
          "publish-event",
          { ...event, eventName },
          (error, published) => (error ? reject(error) : resolve(published)),
          now() + timeout,
        );
      }),
    on: (kind, handler) => listen(listeners, kind, handler),
    close() {
      if (status !== "closed") end();
    },
  };
}

/** The WebSocket address of a room: by default on the server that this module or else the page came from. */
function roomAddress(url) {
  const page = here.location;
  const home = /^https?:[^?#]*\/(?=pubsub\/client\.js([?#]|$))/.exec(import.meta.url)?.[0];
  const from = url ?? home ?? page?.origin;
  need(from, "a url");
  const address = new URL(from, page?.href);
  address.protocol = address.protocol.replace("http", "ws");
  need(/^wss?:$/.test(address.protocol), `a url, not ${from}`);
  address.pathname = address.pathname.replace(/(\/pubsub\/ws)?\/*$/, "/pubsub/ws");
  address.hash = "";
  return address;
}

/** Throws what the caller can put right. */
function need(given, what) {
  if (!given) throw new TypeError("fanfare needs " + what);
}

function failure(code, message, cause) {
  return Object.assign(new Error(message || code, { cause }), { name: "PubSubError", code });
}

function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

function now() {
  return Date.now();
}
