/* tracker.c - see tracker.h */
#include "tracker.h"

#include <string.h>

#include "pages.h"
#include "text.h"

#define SEEN_SLOTS 2048     /* a power of two over MSG_HASHES_MAX */

struct tracker {
	struct tracker_options options;
	uint64_t *counts;           /* by enum counter */
	uint32_t told;              /* s: the interval that peers are told */
	char reply_rest[96];        /* of an announce's reply what does not change */
	uint32_t age_max;           /* s: without announce or answer, a membership ends */
	struct swarm *swarm;
	struct stats_clients *clients;
	struct msg msg;             /* the message at hand */
	uint16_t seen[SEEN_SLOTS];  /* of a scrape: numbers from 1 of the hashes met */
	char *text;                 /* where a scrape's reply is put together */
	void *scratch;              /* for msg_parse */
	uint32_t *allowed;          /* with admit: s until which each member is, 0: for good */
};

/* The message at hand, its sender, and where the sender stands. */
struct request {
	const struct msg *msg;
	uint32_t link;
	enum swarm_family family;
	uint32_t now;               /* s */
	uint32_t torrent, peer;     /* 0 while there is none */
	uint32_t member;            /* the sender's membership, 0: none */
	uint32_t allowed;           /* s until which the sender is, 0: for good */
	bool waits;                 /* for a verdict */
};

/* -- memory ------------------------------------------------------------------------- */

#define FILE_TEXT_MAX (MSG_ID_TEXT_MAX + 80)    /* bytes of one torrent in a scrape's reply */
#define FLAGS_TEXT_MAX 64                       /* bytes after the last one */

/* A reply to a scrape of named hashes always fits, whatever the limit on messages. */
static size_t text_size(const struct tracker_options *options)
{
	size_t named = (size_t)(MSG_HASHES_MAX + 1) * FILE_TEXT_MAX;

	return options->max_message > named ? options->max_message : named;
}

static size_t allowed_size(const struct tracker_options *options)
{
	return options->sink.admit == NULL ? 0 :
	    pages_round(((size_t)options->limits.members + 1) * sizeof(uint32_t));
}

size_t tracker_size(const struct tracker_options *options)
{
	return pages_round(sizeof(struct tracker)) + pages_round(stats_clients_size()) +
	    pages_round(text_size(options)) + pages_round(msg_scratch_size()) +
	    allowed_size(options) + swarm_size(&options->limits);
}

static void make_reply_rest(struct tracker *tracker)
{
	struct text text = TEXT_IN(tracker->reply_rest);

	text_add(&text, ",\"action\":\"announce\",\"interval\":");
	text_add_number(&text, tracker->told);
	text_add(&text, ",\"info_hash\":\"");
	text_end(&text);
}

struct tracker *tracker_init(void *memory, const struct tracker_options *options)
{
	struct tracker *tracker = memory;
	uint8_t *at = memory;

	tracker->options = *options;
	tracker->counts = options->counters->of;
	tracker->told = (uint32_t)(((uint64_t)options->interval + 4999) / 5000);
	tracker->age_max = tracker->told * 10;
	make_reply_rest(tracker);
	at += pages_round(sizeof(struct tracker));
	tracker->clients = stats_clients_init(at, &options->secret);
	at += pages_round(stats_clients_size());
	tracker->text = (char *)at;
	at += pages_round(text_size(options));
	tracker->scratch = at;
	at += pages_round(msg_scratch_size());
	tracker->allowed = (uint32_t *)(void *)at;
	at += allowed_size(options);
	tracker->swarm = swarm_init(at, &options->limits, &options->secret);
	return tracker;
}

const struct swarm_totals *tracker_totals(const struct tracker *tracker)
{
	return swarm_totals(tracker->swarm);
}

const struct stats_clients *tracker_clients(const struct tracker *tracker)
{
	return tracker->clients;
}

uint32_t tracker_link_count(const struct tracker *tracker, uint32_t link)
{
	return swarm_link_count(tracker->swarm, link);
}

/* -- emitting ----------------------------------------------------------------------- */

#define PIECE(string) ((struct msg_slice){ (string), sizeof(string) - 1 })

static void emit(const struct tracker *tracker, uint32_t link, const struct msg_slice *pieces,
    size_t count)
{
	tracker->options.sink.send(tracker->options.sink.context, link, pieces, count);
}

static void emit_text(const struct tracker *tracker, uint32_t link, const struct text *text)
{
	emit(tracker, link, &(struct msg_slice){ text->start, text->length }, 1);
}

static void emit_event(const struct tracker *tracker, enum tracker_event event, uint32_t link,
    const uint8_t *peer_id, const uint8_t *info_hash)
{
	tracker->options.sink.event(tracker->options.sink.context, event, link, peer_id,
	    info_hash);
}

static void ping(const struct tracker *tracker, uint32_t link)
{
	tracker->options.sink.ping(tracker->options.sink.context, link);
}

static void add_id(struct text *text, const uint8_t *id)
{
	char escaped[MSG_ID_TEXT_MAX];

	text_add_bytes(text, escaped, msg_id_text(id, escaped));
}

/* Tell the sender what was wrong, and the operator. The reason is the inside of a JSON string;
 * action may be NULL. An announce's failure names its action only beside its info_hash: without
 * one, clients take it for something else. */
static void fail(const struct tracker *tracker, const struct request *request, const char *action,
    const char *reason)
{
	char memory[MSG_ACTION_TEXT_MAX + MSG_ID_TEXT_MAX + 128];
	struct text text = TEXT_IN(memory);

	text_add(&text, "{");
	if (action != NULL) {
		text_add(&text, "\"action\":\"");
		text_add(&text, action);
		text_add(&text, "\",");
	}
	text_add(&text, "\"failure reason\":\"");
	text_add(&text, reason);
	if (request->msg->has_info_hash) {
		text_add(&text, "\",\"info_hash\":\"");
		add_id(&text, request->msg->info_hash);
	}
	text_add(&text, "\"}");
	emit_text(tracker, request->link, &text);
	tracker->counts[COUNT_OUT_FAILURES]++;
	tracker->options.sink.warning(tracker->options.sink.context, reason);
}

static void reply(const struct tracker *tracker, const struct request *request)
{
	struct swarm_counts counts = swarm_counts(tracker->swarm, request->torrent);
	char memory[MSG_ID_TEXT_MAX + 128];
	struct text text = TEXT_IN(memory);

	text_add(&text, "{\"complete\":");
	text_add_number(&text, counts.complete);
	text_add(&text, ",\"incomplete\":");
	text_add_number(&text, counts.incomplete);
	text_add(&text, tracker->reply_rest);
	add_id(&text, request->msg->info_hash);
	text_add(&text, "\"}");
	emit_text(tracker, request->link, &text);
	tracker->counts[COUNT_OUT_REPLIES]++;
}

/* Rounded up, so that nothing ends before its time. */
static uint32_t seconds(uint64_t ms)
{
	return (uint32_t)((ms + 999) / 1000);
}

/* -- memberships -------------------------------------------------------------------- */

static void end_member(struct tracker *tracker, uint32_t member)
{
	uint16_t client;

	emit_event(tracker, TRACKER_STOP, swarm_link(tracker->swarm, member),
	    swarm_member_id(tracker->swarm, member),
	    swarm_member_hash(tracker->swarm, member));
	if (swarm_leave(tracker->swarm, member, &client))
		stats_client_leave(tracker->clients, client);
}

void tracker_end(struct tracker *tracker, uint32_t link)
{
	uint32_t member;

	while ((member = swarm_link_member(tracker->swarm, link)) != 0)
		end_member(tracker, member);
}

int64_t tracker_due(const struct tracker *tracker, uint64_t now)
{
	uint32_t member = swarm_oldest(tracker->swarm);
	uint64_t due;

	if (member == 0)
		return -1;
	due = (uint64_t)(swarm_seen(tracker->swarm, member) + tracker->age_max) * 1000;
	return due > now ? (int64_t)(due - now) : 0;
}

int64_t tracker_expire(struct tracker *tracker, uint64_t now)
{
	int64_t due;

	while ((due = tracker_due(tracker, now)) == 0)
		end_member(tracker, swarm_oldest(tracker->swarm));
	return due;
}

void tracker_drop(struct tracker *tracker, uint32_t torrent)
{
	uint32_t members = swarm_counts(tracker->swarm, torrent).complete +
	    swarm_counts(tracker->swarm, torrent).incomplete;

	while (members-- > 0)
		end_member(tracker, swarm_member_at(tracker->swarm, torrent, members));
}

const struct swarm *tracker_swarm(const struct tracker *tracker)
{
	return tracker->swarm;
}

/* Has a member's allowance run out? */
static bool is_due(const struct tracker *tracker, uint32_t member, uint32_t now)
{
	return tracker->options.sink.admit != NULL && tracker->allowed[member] != 0 &&
	    now >= tracker->allowed[member];
}

void tracker_pinged(struct tracker *tracker, uint32_t link, uint64_t now)
{
	uint32_t member = swarm_link_member(tracker->swarm, link);

	/* Who is to be asked about again must announce, or go. */
	if (swarm_link_count(tracker->swarm, link) == 1 && !is_due(tracker, member, seconds(now)))
		swarm_refresh(tracker->swarm, member, seconds(now));
}

/* Ping all other links that are in the torrent under the sender's peer_id: the dead among them will
 * go. */
static void ping_same(const struct tracker *tracker, const struct request *request)
{
	uint32_t at = 0;

	while ((at = swarm_same(tracker->swarm, request->torrent, request->peer, at)) != 0) {
		if (at != request->member)
			ping(tracker, swarm_link(tracker->swarm, at));
	}
}

/* Of the links that already are in the torrent under the sender's peer_id, end the membership of
 * the one that most likely is dead. Returns false if all may be alive. */
static bool replace_same(struct tracker *tracker, const struct request *request)
{
	const struct tracker_sink *sink = &tracker->options.sink;
	uint32_t longest = 0, dead = 0, at = 0;

	while ((at = swarm_same(tracker->swarm, request->torrent, request->peer, at)) != 0) {
		uint32_t silent = sink->unanswered(sink->context, swarm_link(tracker->swarm, at));

		if (silent != TRACKER_NEVER && silent >= TRACKER_PING_GRACE && silent >= longest) {
			longest = silent;
			dead = at;
		}
	}
	if (dead != 0)
		end_member(tracker, dead);
	return dead != 0;
}

static void tell_refused(const struct tracker *tracker, enum counter why)
{
	tracker->options.sink.refused(tracker->options.sink.context, why);
}

/* Returns NULL, or why there is no room. */
static const char *refusal(const struct tracker *tracker, enum swarm_result result)
{
	switch (result) {
	case SWARM_TORRENTS_FULL:
		tell_refused(tracker, COUNT_REFUSED_TORRENTS);
		return "tracker is full: no room for another torrent";
	case SWARM_MEMBERS_FULL:
		tell_refused(tracker, COUNT_REFUSED_PEERS);
		return "tracker is full: no room for another peer";
	case SWARM_LINK_FULL:
		tell_refused(tracker, COUNT_REFUSED_SWARMS);
		return "too many torrents on this connection";
	case SWARM_SAME_FULL:
		tell_refused(tracker, COUNT_REFUSED_SAME);
		return "too many connections for this peer_id";
	case SWARM_JOINED:
		break;
	}
	return NULL;
}

/* Make the sender a member if it is none, else note that it is alive. Returns NULL, or why it
 * cannot be. */
static const char *join(struct tracker *tracker, struct request *request)
{
	struct swarm *swarm = tracker->swarm;
	const struct msg *msg = request->msg;
	enum swarm_result room;
	uint16_t client = 0;

	if (request->member != 0) {
		swarm_refresh(swarm, request->member, request->now);
		if (tracker->options.sink.admit != NULL)
			tracker->allowed[request->member] = request->allowed;
		return NULL;
	}
	room = swarm_room(swarm, request->torrent, request->peer, request->link);
	if (room == SWARM_SAME_FULL) {
		if (replace_same(tracker, request))
			room = swarm_room(swarm, request->torrent, request->peer, request->link);
		else
			ping_same(tracker, request);
	}
	if (room != SWARM_JOINED)
		return refusal(tracker, room);
	if (request->peer == 0)
		client = stats_client_join(tracker->clients, msg->peer_id);
	swarm_join(swarm, msg->info_hash, msg->peer_id, request->link, request->family, client,
	    request->now, &request->member);
	if (tracker->options.sink.admit != NULL)
		tracker->allowed[request->member] = request->allowed;
	request->torrent = swarm_member_torrent(swarm, request->member);
	request->peer = swarm_member_peer(swarm, request->member);
	ping_same(tracker, request);
	return NULL;
}

/* What an accepted message says of its sender, who is a member now; before says since when. */
static void update_member(struct tracker *tracker, const struct request *request, bool before)
{
	static const enum tracker_event events[] = {
		[MSG_UPDATE] = TRACKER_UPDATE, [MSG_STARTED] = TRACKER_START,
		[MSG_COMPLETED] = TRACKER_COMPLETE, [MSG_STOPPED] = TRACKER_STOP
	};
	const struct msg *msg = request->msg;

	if (msg->event == MSG_COMPLETED && before &&
	    !swarm_is_seeder(tracker->swarm, request->member))
		swarm_completed(tracker->swarm, request->member);
	if (msg->event == MSG_COMPLETED || msg->left_is_zero)
		swarm_seed(tracker->swarm, request->member);
	_Static_assert(COUNT_STARTED - COUNT_UPDATE == MSG_STARTED &&
	    COUNT_COMPLETED - COUNT_UPDATE == MSG_COMPLETED &&
	    COUNT_STOPPED - COUNT_UPDATE == MSG_STOPPED, "events in another order");
	tracker->counts[COUNT_UPDATE + msg->event]++;
	emit_event(tracker, events[msg->event], request->link, msg->peer_id, msg->info_hash);
}

/* The sender stops: only what its own socket made ends. */
static void stop(struct tracker *tracker, struct request *request)
{
	tracker->counts[COUNT_STOPPED]++;
	if (request->member != 0)
		end_member(tracker, request->member);
	request->member = 0;
	request->torrent = swarm_torrent(tracker->swarm, request->msg->info_hash);
}

/* -- the filter --------------------------------------------------------------------- */

/* 0 for good, and what is longer than time can be counted is the longest that can. */
static uint32_t allowed_until(uint32_t now, uint32_t seconds_allowed)
{
	if (seconds_allowed == 0)
		return 0;
	return seconds_allowed < UINT32_MAX - now ? now + seconds_allowed : UINT32_MAX;
}

/* May the sender be, or stay, a member? If not, *reason says why, and a membership ends; if that is
 * not known yet, request->waits is set. */
static bool admitted(struct tracker *tracker, struct request *request, const char **reason)
{
	const struct tracker_sink *sink = &tracker->options.sink;
	struct tracker_terms terms = { NULL, 0 };
	bool again = request->member != 0;

	if (again && !is_due(tracker, request->member, request->now)) {
		request->allowed = tracker->allowed[request->member];
		return true;
	}
	switch (sink->admit(sink->context, request->link, request->msg, again, &terms)) {
	case TRACKER_ALLOW:
		request->allowed = allowed_until(request->now, terms.seconds);
		return true;
	case TRACKER_LATER:
		request->waits = true;
		return false;
	case TRACKER_REFUSE:
		break;
	}
	*reason = terms.reason;
	tell_refused(tracker, COUNT_REFUSED_FILTER);
	if (again)
		end_member(tracker, request->member);
	return false;
}

/* -- announces ---------------------------------------------------------------------- */

/* The end of a relayed message: who sends it, in which torrent. */
static void add_sender(struct text *text, const struct msg *msg)
{
	text_add(text, ",\"peer_id\":\"");
	add_id(text, msg->peer_id);
	text_add(text, "\",\"info_hash\":\"");
	add_id(text, msg->info_hash);
	text_add(text, "\"}");
}

static void relay_offers(struct tracker *tracker, const struct request *request)
{
	const struct msg *msg = request->msg;
	uint32_t members[SWARM_SAMPLE_MAX];
	uint32_t wanted = msg->offer_count < msg->numwant ? msg->offer_count : msg->numwant;
	char memory[2 * MSG_ID_TEXT_MAX + 64];
	struct text sender = TEXT_IN(memory);
	unsigned i, count;

	if (wanted == 0)
		return;
	count = swarm_sample(tracker->swarm, request->torrent, request->peer, wanted, members);
	add_sender(&sender, msg);
	for (i = 0; i < count; i++) {
		const struct msg_slice pieces[] = {
			PIECE("{\"action\":\"announce\",\"offer\":"), msg->offers[i].body,
			PIECE(",\"offer_id\":"), msg->offers[i].offer_id,
			{ sender.start, sender.length }
		};

		emit(tracker, swarm_link(tracker->swarm, members[i]), pieces, 5);
	}
	tracker->counts[COUNT_OUT_OFFERS] += count;
}

static void relay_answer(struct tracker *tracker, const struct request *request)
{
	const struct msg *msg = request->msg;
	uint32_t torrent = swarm_torrent(tracker->swarm, msg->info_hash);
	uint32_t target = swarm_peer(tracker->swarm, msg->to_peer_id);
	char memory[2 * MSG_ID_TEXT_MAX + 64];
	struct text sender = TEXT_IN(memory);
	uint32_t at = 0;

	if (memcmp(msg->to_peer_id, msg->peer_id, MSG_ID_SIZE) == 0)
		return;
	add_sender(&sender, msg);
	while ((at = swarm_same(tracker->swarm, torrent, target, at)) != 0) {
		const struct msg_slice pieces[] = {
			PIECE("{\"action\":\"announce\",\"answer\":"), msg->answer.body,
			PIECE(",\"offer_id\":"), msg->answer.offer_id,
			{ sender.start, sender.length }
		};

		emit(tracker, swarm_link(tracker->swarm, at), pieces, 5);
		tracker->counts[COUNT_OUT_ANSWERS]++;
	}
}

/* An answer has no reply, and whatever is wrong with it is dropped in silence. */
static void answer(struct tracker *tracker, struct request *request)
{
	bool before = request->member != 0;
	const char *reason = NULL;

	if (!request->msg->answer_usable)
		return;
	if (request->msg->event == MSG_STOPPED) {
		relay_answer(tracker, request);
		stop(tracker, request);
	} else if (tracker->options.sink.admit != NULL &&
	    !admitted(tracker, request, &reason)) {
		if (reason != NULL)
			tracker->options.sink.warning(tracker->options.sink.context, reason);
	} else if (join(tracker, request) == NULL) {
		update_member(tracker, request, before);
		relay_answer(tracker, request);
	}
}

/* Most connections are in one torrent: that is found without a table. */
static void find_sender(const struct tracker *tracker, struct request *request)
{
	const struct swarm *swarm = tracker->swarm;
	const struct msg *msg = request->msg;

	request->member = swarm_recent(swarm, request->link, msg->info_hash, msg->peer_id);
	if (request->member != 0) {
		request->torrent = swarm_member_torrent(swarm, request->member);
		request->peer = swarm_member_peer(swarm, request->member);
		return;
	}
	request->torrent = swarm_torrent(swarm, msg->info_hash);
	request->peer = swarm_peer(swarm, msg->peer_id);
	request->member = swarm_member(swarm, request->torrent, request->peer, request->link);
}

static void announce(struct tracker *tracker, struct request *request)
{
	const struct msg *msg = request->msg;
	const char *reason = NULL;
	bool before;

	find_sender(tracker, request);
	before = request->member != 0;
	if (msg->has_answer) {
		answer(tracker, request);
		return;
	}
	if (msg->event == MSG_STOPPED) {
		stop(tracker, request);
		reply(tracker, request);
		return;
	}
	if (tracker->options.sink.admit == NULL || admitted(tracker, request, &reason))
		reason = join(tracker, request);
	if (request->waits)
		return;
	if (reason != NULL) {
		fail(tracker, request, "announce", reason);
		return;
	}
	update_member(tracker, request, before);
	reply(tracker, request);
	relay_offers(tracker, request);
}

/* -- scrapes ------------------------------------------------------------------------ */

static void add_file(const struct tracker *tracker, struct text *text, const uint8_t *info_hash,
    uint32_t torrent)
{
	struct swarm_counts counts = swarm_counts(tracker->swarm, torrent);

	if (text->start[text->length - 1] != '{')
		text_add(text, ",");
	text_add(text, "\"");
	add_id(text, info_hash);
	text_add(text, "\":{\"complete\":");
	text_add_number(text, counts.complete);
	text_add(text, ",\"incomplete\":");
	text_add_number(text, counts.incomplete);
	text_add(text, ",\"downloaded\":");
	text_add_number(text, counts.downloads);
	text_add(text, "}");
}

/* Was the n-th hash of a scrape asked for before? Notes it if not. */
static bool repeated(struct tracker *tracker, uint32_t n)
{
	const uint8_t *hash = tracker->msg.hashes[n];
	uint64_t at = hash_bytes(&tracker->options.secret, hash, MSG_ID_SIZE);
	uint16_t *slot;

	for (;; at++) {
		slot = &tracker->seen[at % SEEN_SLOTS];
		if (*slot == 0)
			break;
		if (memcmp(tracker->msg.hashes[*slot - 1], hash, MSG_ID_SIZE) == 0)
			return true;
	}
	*slot = (uint16_t)(n + 1);
	return false;
}

static void add_named_files(struct tracker *tracker, struct text *text)
{
	const struct msg *msg = &tracker->msg;
	uint32_t i;

	memset(tracker->seen, 0, sizeof tracker->seen);
	for (i = 0; i < msg->hash_count; i++) {
		if (!repeated(tracker, i))
			add_file(tracker, text, msg->hashes[i],
			    swarm_torrent(tracker->swarm, msg->hashes[i]));
	}
}

static void add_all_files(struct tracker *tracker, struct text *text)
{
	size_t limit = tracker->options.max_message;
	uint32_t torrent = 0;

	while ((torrent = swarm_torrent_next(tracker->swarm, torrent)) != 0 &&
	    text->length + FILE_TEXT_MAX + FLAGS_TEXT_MAX <= limit)
		add_file(tracker, text, swarm_torrent_hash(tracker->swarm, torrent), torrent);
}

static void scrape(struct tracker *tracker, const struct request *request)
{
	struct text text = { .start = tracker->text, .max = text_size(&tracker->options) };

	if (tracker->msg.all && !tracker->options.full_scrape) {
		tell_refused(tracker, COUNT_REFUSED_SCRAPE);
		fail(tracker, request, "scrape", "full scrape is not allowed");
		return;
	}
	text_add(&text, "{\"action\":\"scrape\",\"files\":{");
	if (tracker->msg.all)
		add_all_files(tracker, &text);
	else
		add_named_files(tracker, &text);
	text_add(&text, "},\"flags\":{\"min_request_interval\":");
	text_add_number(&text, tracker->told);
	text_add(&text, "}}");
	emit_text(tracker, request->link, &text);
	tracker->counts[COUNT_OUT_SCRAPES]++;
}

/* -- messages ----------------------------------------------------------------------- */

static void judge(struct tracker *tracker, const struct request *request)
{
	const struct msg *msg = request->msg;
	const char *action = msg->action == MSG_SCRAPE ? "scrape" :
	    msg->action == MSG_ANNOUNCE && msg->has_info_hash ? "announce" : NULL;
	char name[MSG_ACTION_TEXT_MAX], memory[MSG_ACTION_TEXT_MAX + 64];
	struct text reason = TEXT_IN(memory);

	switch (msg->fault) {
	case MSG_OK:
		return;
	case MSG_BAD_JSON:
		text_add(&reason, "invalid JSON");
		break;
	case MSG_BAD_ACTION:
		text_add(&reason, "invalid action in WS request: ");
		text_add_bytes(&reason, name, msg_action_text(msg, name));
		break;
	case MSG_BAD_INFO_HASH:
		text_add(&reason, "invalid info_hash");
		break;
	case MSG_BAD_PEER_ID:
		text_add(&reason, "invalid peer_id");
		break;
	case MSG_BAD_TO_PEER_ID:
		text_add(&reason, "invalid `to_peer_id` (required with `answer`)");
		break;
	case MSG_TOO_MANY_HASHES:
		text_add(&reason, "too many info_hashes");
		break;
	}
	fail(tracker, request, action, text_end(&reason));
}

/* Real applications send these to keep their path open. */
static bool is_keep_alive(const char *text, size_t length)
{
	return length == 0 || (length == 2 && memcmp(text, "{}", 2) == 0);
}

void tracker_expect(const struct tracker *tracker, uint32_t link, unsigned ahead)
{
	swarm_expect(tracker->swarm, link, ahead);
}

bool tracker_message(struct tracker *tracker, uint32_t link, enum swarm_family family,
    const char *text, size_t length, uint64_t now)
{
	struct request request = { .msg = &tracker->msg, .link = link, .family = family,
		.now = seconds(now) };
	enum counter kind;

	if (is_keep_alive(text, length)) {
		tracker->counts[COUNT_KEEP_ALIVES]++;
		return true;
	}
	swarm_expect(tracker->swarm, link, 0);
	if (msg_parse(&tracker->msg, text, length, tracker->scratch) != MSG_OK) {
		kind = COUNT_INVALID;
		judge(tracker, &request);
	} else if (tracker->msg.action == MSG_SCRAPE) {
		kind = COUNT_SCRAPES;
		scrape(tracker, &request);
	} else {
		kind = tracker->msg.has_answer ? COUNT_ANSWERS : COUNT_ANNOUNCES;
		announce(tracker, &request);
	}
	tracker->counts[kind] += !request.waits;
	return !request.waits;
}
