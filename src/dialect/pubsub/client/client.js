// The browser's and Node's side of the pubsub dialect: one room of events over one WebSocket that mends itself.
//
// It reconnects with full jitter and resumes from its cursor (epoch and last number), so that what was published
// while it was away is heard late, in order and once; what can no longer be had is told as a gap. Nothing here is
// shared between two rooms. The types, and what each call promises, are in client.d.ts.

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
const UNAUTHORIZED = 4401;
/** The socket went away without a word (RFC 6455 §7.4.1). */
const ABNORMAL = 1006;
/** The server asks its clients to come back: it restarts. */
const RESTART = 1012;
/** `WebSocket.OPEN`; a constructor that was passed in need not have it. */
const OPEN = 1;
/** What may be offered as a subprotocol: a token of HTTP (RFC 9110 §5.6.2). */
const SUBPROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/;
/** How often clocks are compared: timers stand still while a computer sleeps. */
const CHECK_MS = 1_000;
/** An attempt that is not welcomed within this time is given up: browsers would wait for minutes. */
const WELCOME_MS = 20_000;
/** A connection that lived this long was a success; a shorter one counts as one more failed attempt. */
const LASTED_MS = 5_000;
/** Ids of events that are remembered, to drop what comes twice. */
const RECENT_IDS = 256;

/** Opens a room. Returns at once; what can be wrong with the arguments is thrown. */
export function connect({
  url,
  token,
  eventId,
  sessionId,
  WebSocket = here.WebSocket,
  queue = 64,
  timeout = 10_000,
  backoff: { base = 500, cap = 30_000 } = {},
} = {}) {
  const address = roomAddress(url, eventId, sessionId);
  need(WebSocket, "a WebSocket constructor, for there is none here: connect({ WebSocket })");

  /** Handlers by event name, and by what `on` knows. */
  const names = new Map();
  const listeners = new Map();
  /** Publishes without an answer, by their ref, in the order they were asked for. */
  const pending = new Map();
  let refs = 0;

  let status = "connecting";
  let socket;
  /** Which attempt this is: what an earlier one still has to say is not heard. */
  let turn = 0;
  let failures = 0;
  let askedAgain = false;
  /** The server's last words about a connection that it did not welcome. */
  let complaint;
  let heardAt, silenceMs, welcomedAt, leaving;

  /** The cursor to resume from, and the number that was next at the welcome. */
  let epoch, last, next;
  let resetTold;
  /** The number of the last event handed out in this epoch; replays end up behind it. */
  let seen = -1;
  const recent = new Set();
  const ring = new Array(RECENT_IDS);
  let oldest = 0;

  /** The one thing that waits for its time: an attempt to connect, or to leave. */
  let timer, dueAt, planned;

  function later(delay, what) {
    clearTimeout(timer);
    planned = what;
    dueAt = Date.now() + delay;
    timer = setTimeout(hurry, delay);
  }

  function hurry() {
    const what = planned;
    planned = undefined;
    what?.();
  }

  function emit(kind, value, detail) {
    const handlers = listeners.get(kind);
    if (handlers) tell(handlers, value, detail);
    else if (kind === "error") console.error(value);
  }

  function change(to, detail) {
    status = to;
    emit("status", to, detail);
  }

  // --- The connection's life: connecting → open → waiting → connecting …, and closed from anywhere ---

  async function start() {
    const mine = ++turn;
    heardAt = Date.now();
    silenceMs = WELCOME_MS;
    welcomedAt = complaint = undefined;
    resetTold = false;
    change("connecting");
    let secret;
    try {
      // Not before whoever called `connect` had the time to listen to errors.
      secret = await Promise.resolve().then(typeof token === "function" ? token : () => token);
    } catch (cause) {
      // Whoever hands out tokens may be as unreachable as the server is.
      if (mine === turn) emit("error", failure("token", cause?.message, cause));
      return lost(mine, ABNORMAL, "no token");
    }
    if (mine === turn) open(mine, secret);
  }

  function open(mine, secret) {
    if (epoch !== undefined) {
      address.searchParams.set("last_event", last);
      address.searchParams.set("epoch", epoch);
    }
    // Offered twice, in any case of letters, a subprotocol is a syntax error.
    const offered = secret && SUBPROTOCOL.test(secret) && !/^fanfare$/i.test(secret);
    try {
      socket = new WebSocket(address.href, offered ? ["fanfare", secret] : ["fanfare"]);
    } catch (cause) {
      return end(failure("bad_request", cause.message, cause));
    }
    socket.onopen = () => {
      if (mine === turn && secret && !offered) ask("authenticate", { token: secret });
    };
    socket.onmessage = ({ data }) => {
      if (mine !== turn) return;
      heardAt = Date.now();
      try {
        hear(JSON.parse(data));
      } catch (cause) {
        emit("error", failure("protocol", cause.message, cause));
      }
    };
    socket.onclose = ({ code, reason }) => lost(mine, code, reason);
    // Browsers say "close" after this; Node 22 says nothing more of a connection that could not be made.
    socket.onerror = () => lost(mine, ABNORMAL);
  }

  /** Lets go of the socket. A dead one takes its time to close, so nobody waits for it. */
  function drop() {
    turn++;
    clearTimeout(timer);
    planned = undefined;
    leaving = false;
    socket?.close();
    socket = undefined;
    for (const [ref, one] of pending) {
      if (one.sent) settle(ref, failure("unknown", "connection lost before the answer"));
    }
  }

  /** The connection is gone. At once, if it had lasted, is when the fault is this one connection's. */
  function lost(mine, code, reason, atOnce) {
    if (mine !== turn) return;
    drop();
    reason = complaint || reason || "";
    const lasted = welcomedAt !== undefined && Date.now() - welcomedAt >= LASTED_MS;
    if (lasted) {
      failures = 0;
      askedAgain = false;
    }
    if (code in FINAL) {
      const again = code === UNAUTHORIZED && typeof token === "function" && !askedAgain;
      if (!again) return end(failure(FINAL[code], reason));
      askedAgain = true;
    }
    // Full jitter: a server that comes back is not met by everyone at the same moment.
    const ceiling = Math.min(cap, base * 2 ** failures++);
    const delay = atOnce && lasted ? 0 : Math.random() * ceiling;
    later(delay, start);
    change("waiting", { code, reason, delay, attempt: failures });
  }

  function end(error) {
    drop();
    clearInterval(checking);
    here.removeEventListener?.("online", online);
    here.document?.removeEventListener("visibilitychange", check);
    for (const ref of pending.keys()) settle(ref, error ?? failure("closed"));
    // From here on nothing is queued, whatever handlers do.
    status = "closed";
    if (error) emit("error", error);
    change("closed", error && { reason: error.message });
  }

  // --- Time ---

  function check() {
    const now = Date.now();
    for (const [ref, one] of pending) {
      if (now < one.dueAt) continue;
      settle(ref, one.sent
        ? failure("unknown", "no answer in time")
        : failure("timeout", "no connection in time"));
    }
    if (planned) {
      if (now >= dueAt) hurry();
    } else if (Math.abs(now - heardAt) > silenceMs) {
      // Either way: a clock that was set back says nothing about how long it was silent.
      lost(turn, ABNORMAL, "silence", true);
    } else leave();
  }

  function online() {
    if (status === "waiting") hurry();
    else check();
  }

  /** Leaves a server that asked for it, but not while it has answers to give. */
  function leave() {
    if (!leaving) return;
    for (const one of pending.values()) if (one.sent) return;
    lost(turn, RESTART, "asked to reconnect", true);
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
        if (data?.next > last) last = data.next - 1;
        return;
      case "published":
        return settle(ref, undefined, data);
      case "gap":
        if (!data.reset) {
          last = Math.max(last, data.to);
          emit("gap", data);
        } else if (!resetTold) forget();
        return;
      case "error": {
        const error = failure(data.code, data.message);
        if (pending.has(ref)) settle(ref, error);
        else if (status === "open") emit("error", error);
        else complaint = error.message;
        return;
      }
      case "reconnect":
        // The two clocks need not agree, so a moment that is far away is not believed.
        later(Math.random() * Math.min(cap, Math.max(0, data.before - Date.now())), () => {
          leaving = true;
          leave();
        });
    }
  }

  function welcome(data) {
    const mine = turn;
    const reset = epoch !== undefined && epoch !== data.epoch;
    next = data.next;
    if (epoch === undefined) last = next - 1;
    epoch = data.epoch;
    silenceMs = 1_500 * data.heartbeat;
    welcomedAt = heardAt;
    status = "open";
    // The first request decides what is replayed, so it names everything. Without a name it still has to come:
    // a subscription that is made later is not meant to hear what was before.
    if (names.size) ask("subscribe-event", { eventNames: [...names.keys()] });
    else ask("unsubscribe-event", { eventName: "none" });
    for (const one of pending.values()) transmit(one);
    change("open");
    if (reset && mine === turn) forget();
  }

  /** The log began a new life. What it still has is replayed; what was before is lost, and told once. */
  function forget() {
    resetTold = true;
    seen = -1;
    last = next - 1;
    emit("gap", { reset: true });
  }

  function deliver({ eventName, data, id, number }) {
    if (number <= seen || recent.has(id)) return;
    if (number !== undefined) seen = last = number;
    recent.delete(ring[oldest]);
    recent.add((ring[oldest] = id));
    oldest = (oldest + 1) % RECENT_IDS;
    const handlers = names.get(eventName);
    if (handlers) tell(handlers, data, { id, number, eventName });
  }

  // --- What the server is asked ---

  function ask(action, data) {
    if (socket?.readyState === OPEN) socket.send(JSON.stringify({ action, data, ref: ++refs }));
  }

  /** Sends a publish if that is possible now. */
  function transmit(one) {
    // A socket that is about to close swallows what it is given.
    if (status !== "open" || leaving || socket.readyState !== OPEN) return false;
    socket.send(one.text);
    return (one.sent = true);
  }

  function settle(ref, error, result) {
    const one = pending.get(ref);
    if (!one) return;
    pending.delete(ref);
    if (error) one.reject(error);
    else one.resolve(result);
    leave();
  }

  const checking = setInterval(check, CHECK_MS);
  here.addEventListener?.("online", online);
  here.document?.addEventListener("visibilitychange", check);
  start();

  return {
    get status() {
      return status;
    },
    subscribe(name, handler) {
      const isFirst = !names.has(name);
      const off = listen(names, name, handler, () => {
        if (status === "open") ask("unsubscribe-event", { eventName: name });
      });
      if (isFirst && status === "open") ask("subscribe-event", { eventName: name });
      return off;
    },
    async publish(name, { data, scope } = {}) {
      if (status === "closed") throw failure("closed");
      const ref = ++refs;
      const text = JSON.stringify({ action: "publish-event", data: { eventName: name, data, scope }, ref });
      const one = { text, dueAt: Date.now() + timeout, sent: false };
      if (!transmit(one)) {
        let waiting = 0;
        for (const other of pending.values()) if (!other.sent) waiting++;
        if (waiting >= queue) throw failure("queue_full", `${waiting} wait already`);
      }
      return new Promise((resolve, reject) => pending.set(ref, Object.assign(one, { resolve, reject })));
    },
    on: (kind, handler) => listen(listeners, kind, handler),
    close() {
      if (status !== "closed") end();
    },
  };
}

/** The WebSocket address of a room: by default on the server that this module or else the page came from. */
function roomAddress(url, eventId, sessionId) {
  need(eventId && sessionId, "an eventId and a sessionId");
  const page = here.location;
  const home = /^https?:[^?#]*\/(?=pubsub\/client\.js([?#]|$))/.exec(import.meta.url)?.[0];
  const from = url ?? home ?? page?.origin;
  need(from, "a url");
  const address = new URL(from, page?.href);
  address.protocol = address.protocol.replace("http", "ws");
  need(/^wss?:$/.test(address.protocol), `a url of HTTP or WebSocket, not ${from}`);
  address.pathname = address.pathname.replace(/(\/pubsub\/ws)?\/*$/, "/pubsub/ws");
  address.hash = "";
  address.searchParams.set("event_id", eventId);
  address.searchParams.set("session_id", sessionId);
  return address;
}

/** Throws what the caller can put right. */
function need(given, what) {
  if (!given) throw new TypeError("fanfare needs " + what);
}

function failure(code, message, cause) {
  return Object.assign(new Error(message || code, { cause }), { name: "PubSubError", code });
}

/** Adds a handler; returns what removes it again, and says so if it was its key's last. */
function listen(map, key, handler, emptied) {
  need(typeof handler === "function", "a function as handler");
  const one = { handler };
  // A new list each time: whoever is being told walks the old one.
  map.set(key, [...(map.get(key) ?? []), one]);
  return () => {
    if (!one.handler) return;
    one.handler = undefined;
    const rest = map.get(key).filter((other) => other !== one);
    if (rest.length) return void map.set(key, rest);
    map.delete(key);
    emptied?.();
  };
}

/** Calls handlers; one that throws is reported and harms nobody else. */
function tell(handlers, value, detail) {
  for (const one of handlers) {
    try {
      one.handler?.(value, detail);
    } catch (error) {
      (here.reportError ?? console.error)(error);
    }
  }
}
