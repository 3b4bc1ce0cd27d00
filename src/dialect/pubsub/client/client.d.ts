/** One room of events: what `connect` opens. */
export interface PubSub {
  /**
   * - `"connecting"`: an attempt is under way;
   * - `"open"`: welcomed by the server;
   * - `"waiting"`: the connection is gone, and the next attempt waits for its time;
   * - `"closed"`: for good, by `close()` or because the server refused for a reason that no attempt can mend.
   */
  readonly status: Status;

  /**
   * Calls `handler` with the data of each event of exactly this name that is published in the room, or to its event
   * or organization, from now on: in the order of their numbers, each once, also those that were published while
   * the connection was away. A publisher that is subscribed hears itself.
   *
   * Handlers may be added at any time. Of one that is added while there is no connection, "now" is the next welcome:
   * what the others missed until then is told to them alone. One that is added in the same tick in which another of
   * the name is removed, as effects of user interfaces do, takes its place and hears what that would have heard.
   * A function that is given twice is called twice. One that throws is reported (`reportError`, else
   * `console.error`) and changes nothing for others.
   *
   * The server is told of the difference that a tick makes: of the first handler of a name and of the last. What it
   * refuses (no text of 1 to 1,024 bytes, the 257th name, a token without the grant) is told to
   * `on("error", ({ code, eventNames }) => …)` and costs no other name anything. It is not asked for again, and its
   * handlers are gone, unless somebody subscribes anew.
   *
   * @returns what removes this handler again; of no effect when called twice or after a refusal.
   */
  subscribe<Data = any>(name: string, handler: (data: Data, meta: Meta) => void): () => void;

  /**
   * Publishes an event. Without a connection it waits for one, but not for longer than `timeout` and not behind
   * more than `queue` others.
   *
   * The promise is rejected with a {@link PubSubError}. `timeout`, `queue_full`, `too_large` and `closed` are told of
   * events that were *not* published, and so are the server's own refusals, such as `forbidden` or `busy`. With
   * `unknown` the event was sent and its answer did not come: it may or may not have been published. It is never
   * sent where it could be published twice; whether to publish again is for the caller to know.
   */
  publish(name: string, event?: { data?: unknown; scope?: Scope }): Promise<Published>;

  /** The status changed. */
  on(kind: "status", handler: (status: Status, detail?: StatusDetail) => void): () => void;
  /** Events of the room were missed and cannot be had any more. Each gap is told once. */
  on(kind: "gap", handler: (gap: Gap) => void): () => void;
  /**
   * Something went wrong that no promise tells of: a refused subscription, a token that could not be had, a final
   * refusal (the status is `"closed"` then). Without a handler errors go to the console.
   */
  on(kind: "error", handler: (error: PubSubError) => void): () => void;

  /** Leaves for good: nothing is heard any more, and publishes without an answer are rejected. */
  close(): void;
}

export interface Options {
  /**
   * The server: `http:`, `https:`, `ws:` or `wss:`, with a path if it lives below one; `/pubsub/ws` is put behind
   * it. Absent, it is the server that this module came from, if that was `…/pubsub/client.js`, or else the page's.
   */
  url?: string | URL;
  /** An API token, or what has it; asked before each attempt to connect. A server in open mode needs none. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** The event (group) that the session belongs to. */
  eventId: string;
  /** The session: the room. */
  sessionId: string;
  /** A constructor such as that of the package `ws`, where there is no global one (Node before version 22). */
  WebSocket?: new (url: string, protocols?: string[]) => any;
  /** Most publishes that wait for a connection. 64 if absent. */
  queue?: number;
  /**
   * Longest message in bytes, as JSON in UTF-8; of an event that is its name, its data and some 60 bytes more. What is
   * longer is rejected as `too_large` and not sent. 1,048,576 if absent, as the server's own bound: it closes the
   * connection of whoever exceeds that, as does a proxy with a lower one. If that happens the client learns from it.
   */
  limit?: number;
  /** How long a publish waits, for a connection and for its answer, in milliseconds. 10,000 if absent. */
  timeout?: number;
  /**
   * Before the n-th attempt in a row passes a time between 0 and `min(cap, base * 2^(n-1))`, drawn at random.
   * In milliseconds; 500 and 30,000 if absent.
   */
  backoff?: { base?: number; cap?: number };
}

export type Status = "connecting" | "open" | "waiting" | "closed";

/** Why, with `"waiting"` and, if it was not `close()`, with `"closed"`. */
export interface StatusDetail {
  /** The close code of the WebSocket; 1006 if it just went away. */
  code?: number;
  /** In the server's or the browser's words; may be empty. */
  reason?: string;
  /** Milliseconds until the next attempt. */
  delay?: number;
  /** How many attempts in a row this will make. */
  attempt?: number;
}

/** Whom a published event reaches: the room (if absent), every room of its event, or every one of its organization. */
export type Scope = "session" | "event" | "organization";

export interface Meta {
  readonly id: string;
  /** Position in the room's log. Ascending, with holes for the events of other names. */
  readonly number: number;
  readonly eventName: string;
}

export interface Published {
  readonly id: string;
  /** Absent if the scope is wider than the room. */
  readonly number?: number;
}

/** The numbers of the missed events, both ends included; or that the log began anew, and nobody knows how many. */
export type Gap =
  | { readonly from: number; readonly to: number; readonly reset?: undefined }
  | { readonly reset: true; readonly from?: undefined; readonly to?: undefined };

export interface PubSubError extends Error {
  readonly name: "PubSubError";
  /**
   * The client's own: `timeout`, `queue_full`, `too_large`, `closed`, `unknown` (see `publish`), `token` (not to be had),
   * `protocol` (what was heard is not this protocol). Final: `bad_request`, `unauthorized`, `forbidden`,
   * `not_found`, `conflict`. Others are the server's.
   */
  readonly code: string;
  /** The event names that were refused, if the error is that of a subscription: nobody hears them any more. */
  readonly eventNames?: readonly string[];
}

/**
 * Opens a room. Returns at once; the connection is made, and made again, behind the scenes.
 *
 * @throws TypeError if an option is missing or cannot be used.
 */
export function connect(options: Options): PubSub;
