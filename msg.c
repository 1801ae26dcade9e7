/* msg.c - see msg.h */
#include "msg.h"

#include <string.h>

#include "json.h"

_Static_assert(MSG_DEPTH_MAX == JSON_DEPTH_MAX, "nesting");
_Static_assert(MSG_NUMWANT_ALL == JSON_NO_NUMBER, "too large a number is no wish");

/* ---- Ids ---- */

/* Are these 20 bytes ASCII that JSON need not escape? The loads overlap. */
static bool id_is_plain(const uint8_t *at)
{
	uint64_t a = json_bytes_load(at), b = json_bytes_load(at + 8);
	uint64_t c = json_bytes_load(at + MSG_ID_SIZE - 8);

	return (json_bytes_stops(a) | json_bytes_stops(b) | json_bytes_stops(c)
	    | ((a | b | c) & (JSON_ONES * 0x80))) == 0;
}

static bool id_read(struct json_slice string, uint8_t id[static MSG_ID_SIZE])
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	uint32_t point;
	size_t i;

	if (string.len == MSG_ID_SIZE && id_is_plain(at)) {
		memcpy(id, at, MSG_ID_SIZE);
		return true;
	}
	for (i = 0; i < MSG_ID_SIZE && at < end; i++) {
		/* Nearly all are ASCII, or the two bytes of U+0080 to U+00FF. */
		if (*at < 0x80 && *at != '\\') {
			id[i] = *at++;
		} else if ((*at & 0xfe) == 0xc2 && end - at >= 2) {
			id[i] = (uint8_t)(at[0] << 6 | (at[1] & 0x3f));
			at += 2;
		} else {
			point = json_point(&at, end);
			if (point > 0xff)
				return false;
			id[i] = (uint8_t)point;
		}
	}
	return i == MSG_ID_SIZE && at == end;
}

static bool offer_id_is_usable(struct json_slice string, bool escaped)
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	size_t points;

	if (string.len <= MSG_OFFER_ID_MAX && !escaped)
		return true;
	for (points = 0; at < end; points++) {
		if (points == MSG_OFFER_ID_MAX || json_point(&at, end) == JSON_NO_POINT)
			return false;
	}
	return true;
}

static bool value_is_id(const struct json *json, uint32_t value, uint8_t id[static MSG_ID_SIZE])
{
	return json_is(json, value, JSON_STRING) && id_read(json_text(json, value), id);
}

/* The same place and length, as what msg.h hands out. */
static struct msg_slice slice_whole(const struct json *json, uint32_t value)
{
	struct json_slice whole = json_whole(json, value);

	return (struct msg_slice){ whole.text, whole.len };
}

/* ---- Messages ---- */

enum field {
	FIELD_ACTION, FIELD_INFO_HASH, FIELD_PEER_ID, FIELD_EVENT, FIELD_LEFT, FIELD_NUMWANT,
	FIELD_OFFERS, FIELD_ANSWER, FIELD_TO_PEER_ID, FIELD_OFFER_ID, FIELD_COUNT
};

static const struct json_word field_names[FIELD_COUNT] = {
	[FIELD_ACTION] = JSON_WORD("action"),
	[FIELD_INFO_HASH] = JSON_WORD("info_hash"),
	[FIELD_PEER_ID] = JSON_WORD("peer_id"),
	[FIELD_EVENT] = JSON_WORD("event"),
	[FIELD_LEFT] = JSON_WORD("left"),
	[FIELD_NUMWANT] = JSON_WORD("numwant"),
	[FIELD_OFFERS] = JSON_WORD("offers"),
	[FIELD_ANSWER] = JSON_WORD("answer"),
	[FIELD_TO_PEER_ID] = JSON_WORD("to_peer_id"),
	[FIELD_OFFER_ID] = JSON_WORD("offer_id")
};

/* An offer or an answer: body an object with a string `sdp`, offer_id a short string. */
static bool offer_read(const struct json *json, uint32_t body, uint32_t offer_id,
    struct msg_offer *offer)
{
	static const struct json_word sdp = JSON_WORD("sdp");
	uint32_t values[2];

	if (!json_is(json, body, JSON_OBJECT) || !json_is(json, offer_id, JSON_STRING)
	    || !offer_id_is_usable(json_text(json, offer_id),
	    json->tokens[offer_id].escaped))
		return false;
	json_members(json, body, &sdp, 1, values);
	if (!json_is(json, values[0], JSON_STRING))
		return false;
	offer->body = slice_whole(json, body);
	offer->offer_id = slice_whole(json, offer_id);
	return true;
}

static void offers_read(const struct json *json, uint32_t array, struct msg *msg)
{
	static const struct json_word names[] = { JSON_WORD("offer"), JSON_WORD("offer_id") };
	uint32_t entry, end, values[3];

	if (!json_is(json, array, JSON_ARRAY))
		return;
	end = json->tokens[array].after;
	for (entry = array + 1; entry < end && msg->offer_count < MSG_OFFERS_MAX;
	    entry = json->tokens[entry].after) {
		if (!json_is(json, entry, JSON_OBJECT))
			continue;
		json_members(json, entry, names, 2, values);
		if (offer_read(json, values[0], values[1], &msg->offers[msg->offer_count]))
			msg->offer_count++;
	}
}

static enum msg_event event_read(const struct json *json, uint32_t value)
{
	static const struct json_word words[] = { JSON_WORD("started"), JSON_WORD("completed"),
		JSON_WORD("stopped") };
	static const enum msg_event events[] = { MSG_STARTED, MSG_COMPLETED, MSG_STOPPED,
	    MSG_UPDATE };

	return events[json_word(json, value, words, 3)];
}

static bool left_read(const struct json *json, uint32_t value)
{
	static const struct json_word zero = JSON_WORD("0");

	if (json_is_number(json, value))
		return json_number_is_zero(json_text(json, value));
	return json_word(json, value, &zero, 1) == 0;
}

static enum msg_fault announce_read(const struct json *json, const uint32_t *fields,
    struct msg *msg)
{
	uint32_t answer = fields[FIELD_ANSWER];

	if (!msg->has_info_hash)
		return MSG_BAD_INFO_HASH;
	if (!value_is_id(json, fields[FIELD_PEER_ID], msg->peer_id))
		return MSG_BAD_PEER_ID;
	msg->has_answer = answer != 0 && !json_is_null(json, answer);
	if (msg->has_answer) {
		if (!value_is_id(json, fields[FIELD_TO_PEER_ID], msg->to_peer_id))
			return MSG_BAD_TO_PEER_ID;
		msg->answer_usable = offer_read(json, answer, fields[FIELD_OFFER_ID],
		    &msg->answer);
	}
	msg->event = event_read(json, fields[FIELD_EVENT]);
	msg->left_is_zero = left_read(json, fields[FIELD_LEFT]);
	if (fields[FIELD_LEFT] != 0)
		msg->left = slice_whole(json, fields[FIELD_LEFT]);
	if (json_is_number(json, fields[FIELD_NUMWANT]))
		msg->numwant = json_number_floor(json_text(json, fields[FIELD_NUMWANT]));
	offers_read(json, fields[FIELD_OFFERS], msg);
	return MSG_OK;
}

static enum msg_fault scrape_read(const struct json *json, uint32_t info_hash, struct msg *msg)
{
	uint32_t entry, end;

	if (info_hash == 0 || json_is_null(json, info_hash)) {
		msg->all = true;
		return MSG_OK;
	}
	if (msg->has_info_hash) {
		memcpy(msg->hashes[0], msg->info_hash, MSG_ID_SIZE);
		msg->hash_count = 1;
		return MSG_OK;
	}
	if (!json_is(json, info_hash, JSON_ARRAY))
		return MSG_BAD_INFO_HASH;
	if (json_elements(json, info_hash) > MSG_HASHES_MAX)
		return MSG_TOO_MANY_HASHES;
	end = json->tokens[info_hash].after;
	for (entry = info_hash + 1; entry < end; entry++) {
		/* An entry that holds others is no id, so all that are met are the array's own. */
		if (!value_is_id(json, entry, msg->hashes[msg->hash_count]))
			return MSG_BAD_INFO_HASH;
		msg->hash_count++;
	}
	return MSG_OK;
}

static enum msg_fault message_read(const struct json *json, struct msg *msg)
{
	static const struct json_word actions[] = { JSON_WORD("announce"), JSON_WORD("scrape") };
	uint32_t fields[FIELD_COUNT + 1];

	json_members(json, 0, field_names, FIELD_COUNT, fields);
	if (fields[FIELD_ACTION] != 0)
		msg->action_text = slice_whole(json, fields[FIELD_ACTION]);
	msg->has_info_hash = value_is_id(json, fields[FIELD_INFO_HASH], msg->info_hash);
	switch (json_word(json, fields[FIELD_ACTION], actions, 2)) {
	case 0:
		msg->action = MSG_ANNOUNCE;
		return announce_read(json, fields, msg);
	case 1:
		msg->action = MSG_SCRAPE;
		return scrape_read(json, fields[FIELD_INFO_HASH], msg);
	default:
		return MSG_BAD_ACTION;
	}
}

static void msg_init(struct msg *msg)
{
	msg->action = MSG_NO_ACTION;
	msg->has_info_hash = false;
	msg->action_text = (struct msg_slice){ NULL, 0 };
	msg->event = MSG_UPDATE;
	msg->left_is_zero = false;
	msg->left = (struct msg_slice){ NULL, 0 };
	msg->has_answer = false;
	msg->answer_usable = false;
	msg->numwant = MSG_NUMWANT_ALL;
	msg->offer_count = 0;
	msg->all = false;
	msg->hash_count = 0;
}

size_t msg_scratch_size(void)
{
	return MSG_TOKENS_MAX * sizeof(struct json_token);
}

enum msg_fault msg_parse(struct msg *msg, const char *text, size_t len, void *scratch)
{
	struct json json = { text, scratch };

	msg_init(msg);
	msg->fault = MSG_BAD_JSON;
	if (len <= UINT32_MAX && json_scan(text, len, scratch, MSG_TOKENS_MAX) > 0)
		msg->fault = message_read(&json, msg);
	return msg->fault;
}

/* ---- Text to send ---- */

/* Apart, so that a plain id needs no registers saved. */
static __attribute__((noinline)) size_t id_escape(const uint8_t *id, char *out)
{
	size_t len = 0, i;

	for (i = 0; i < MSG_ID_SIZE; i++)
		len += json_point_write(id[i], out + len);
	return len;
}

size_t msg_id_text(const uint8_t id[static MSG_ID_SIZE], char out[static MSG_ID_TEXT_MAX])
{
	if (!id_is_plain(id))
		return id_escape(id, out);
	memcpy(out, id, MSG_ID_SIZE);
	return MSG_ID_SIZE;
}

#define ACTION_POINTS_MAX 32

size_t msg_action_text(const struct msg *msg, char out[static MSG_ACTION_TEXT_MAX])
{
	static const char absent[] = "undefined";
	const uint8_t *at = (const uint8_t *)msg->action_text.text, *end;
	size_t len = 0, points;
	uint32_t point;
	bool string;

	if (at == NULL) {
		memcpy(out, absent, sizeof absent);
		return sizeof absent - 1;
	}
	end = at + msg->action_text.len;
	string = *at == '"';
	if (string) {
		at++;
		end--;
	}
	for (points = 0; points < ACTION_POINTS_MAX && at < end; points++) {
		point = string ? json_point(&at, end) : json_point_raw(&at, end);
		len += json_point_write(point == JSON_NO_POINT ? 0xfffd : point, out + len);
	}
	out[len] = '\0';
	return len;
}
