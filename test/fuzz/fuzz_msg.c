/*
 * fuzz_msg.c - JSON messages: msg.c and json.c against a tree of all of it (tree.c) and the rules
 * of msg.h.
 *
 * The input is a message. Where it is no UTF-8 it is read as it is, but nothing is compared, and
 * then once more with `?` for every wrong byte.
 */
#include "fuzz.h"

#include "../../msg.h"
#include "../../ws.h"
#include "check.h"
#include "tree.h"

/* -- the plain way --------------------------------------------------------------------- */

static bool plain_id(const struct tree *json, uint8_t id[MSG_ID_SIZE])
{
	size_t i;

	if (json == NULL || json->kind != TREE_STRING || json->count != MSG_ID_SIZE)
		return false;
	for (i = 0; i < MSG_ID_SIZE; i++) {
		if (json->points[i] > 255)
			return false;
		id[i] = (uint8_t)json->points[i];
	}
	return true;
}

static bool same_id(const struct tree *json, const uint8_t id[MSG_ID_SIZE])
{
	uint8_t plain[MSG_ID_SIZE];

	return plain_id(json, plain) && memcmp(plain, id, MSG_ID_SIZE) == 0;
}

static bool is_null(const struct tree *json)
{
	return json == NULL || json->kind == TREE_NULL;
}

static bool is_kind(const struct tree *json, enum tree_kind kind)
{
	return json != NULL && json->kind == kind;
}

static bool plain_usable(const struct tree *body, const struct tree *offer_id)
{
	size_t i;

	if (!is_kind(body, TREE_OBJECT) || !is_kind(tree_member(body, "sdp"), TREE_STRING) ||
	    !is_kind(offer_id, TREE_STRING) || offer_id->count > MSG_OFFER_ID_MAX)
		return false;
	for (i = 0; i < offer_id->count; i++) {
		if (offer_id->points[i] >= 0xd800 && offer_id->points[i] < 0xe000)
			return false;
	}
	return true;
}

/* All digits of a number but leading zeros, as if it had neither point nor exponent; and how many
 * of them (more than there are, or less than none) stand before the point. */
static size_t plain_digits(const struct tree *json, char *digits, double *before)
{
	const char *at = json->text, *end = at + json->length;
	size_t count = 0;
	bool point = false;

	*before = 0;
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			point = true;
		} else if (*at != '-') {
			if (count > 0 || *at != '0')
				digits[count++] = *at;
			*before += (count > 0 && !point) - (count == 0 && point);
		}
	}
	if (at < end) {
		char *exponent = text_copy(at + 1, (size_t)(end - at) - 1);

		*before += strtod(exponent, NULL);
		free(exponent);
	}
	return count;
}

static uint32_t plain_numwant(const struct tree *json)
{
	uint64_t value = 0;
	size_t count, i;
	double before;
	char *digits;

	if (!is_kind(json, TREE_NUMBER))
		return MSG_NUMWANT_ALL;
	digits = malloc(json->length);
	if (digits == NULL)
		abort();
	count = plain_digits(json, digits, &before);
	for (i = 0; (double)i < before && i < 11; i++)
		value = value * 10 + (i < count ? (uint64_t)(digits[i] - '0') : 0);
	free(digits);
	if (count == 0)
		return 0;
	if (json->text[0] == '-')
		return MSG_NUMWANT_ALL;
	return value < MSG_NUMWANT_ALL ? (uint32_t)value : MSG_NUMWANT_ALL;
}

static bool plain_left(const struct tree *json)
{
	double before;
	size_t count;
	char *digits;

	if (!is_kind(json, TREE_NUMBER))
		return tree_is(json, "0");
	digits = malloc(json->length);
	if (digits == NULL)
		abort();
	count = plain_digits(json, digits, &before);
	free(digits);
	return count == 0;
}

static enum msg_event plain_event(const struct tree *json)
{
	return tree_is(json, "started") ? MSG_STARTED : tree_is(json, "completed") ?
	    MSG_COMPLETED : tree_is(json, "stopped") ? MSG_STOPPED : MSG_UPDATE;
}

static bool has_answer(const struct tree *json)
{
	return !is_null(tree_member(json, "answer"));
}

static size_t count_of(const struct tree *json)
{
	size_t count = 0;

	for (json = json->child; json != NULL; json = json->next)
		count++;
	return count;
}

static enum msg_fault plain_scrape(const struct tree *hashes)
{
	const struct tree *hash;
	uint8_t id[MSG_ID_SIZE];

	if (is_null(hashes) || plain_id(hashes, id))
		return MSG_OK;
	if (hashes->kind != TREE_ARRAY)
		return MSG_BAD_INFO_HASH;
	if (count_of(hashes) > MSG_HASHES_MAX)
		return MSG_TOO_MANY_HASHES;
	for (hash = hashes->child; hash != NULL; hash = hash->next) {
		if (!plain_id(hash, id))
			return MSG_BAD_INFO_HASH;
	}
	return MSG_OK;
}

static enum msg_fault plain_fault(const struct tree *json)
{
	const struct tree *action = tree_member(json, "action");
	uint8_t id[MSG_ID_SIZE];

	if (json == NULL || json->kind != TREE_OBJECT || tree_tokens(json) > MSG_TOKENS_MAX)
		return MSG_BAD_JSON;
	if (tree_is(action, "scrape"))
		return plain_scrape(tree_member(json, "info_hash"));
	if (!tree_is(action, "announce"))
		return MSG_BAD_ACTION;
	if (!plain_id(tree_member(json, "info_hash"), id))
		return MSG_BAD_INFO_HASH;
	if (!plain_id(tree_member(json, "peer_id"), id))
		return MSG_BAD_PEER_ID;
	return has_answer(json) && !plain_id(tree_member(json, "to_peer_id"), id) ?
	    MSG_BAD_TO_PEER_ID : MSG_OK;
}

/* -- the two compared ------------------------------------------------------------------- */

static void check_offer(const struct msg_offer *offer, const struct tree *body,
    const struct tree *offer_id)
{
	MUST(offer->body.text == body->text && offer->body.len == body->length);
	MUST(offer->offer_id.text == offer_id->text && offer->offer_id.len == offer_id->length);
}

static void check_offers(const struct msg *msg, const struct tree *offers)
{
	const struct tree *entry;
	uint32_t count = 0;

	if (is_kind(offers, TREE_ARRAY)) {
		for (entry = offers->child; entry != NULL; entry = entry->next) {
			const struct tree *body = tree_member(entry, "offer");
			const struct tree *offer_id = tree_member(entry, "offer_id");

			if (count < MSG_OFFERS_MAX && plain_usable(body, offer_id))
				check_offer(&msg->offers[count++], body, offer_id);
		}
	}
	MUST(msg->offer_count == count);
}

static void check_announce(const struct msg *msg, const struct tree *json)
{
	const struct tree *answer = tree_member(json, "answer");
	const struct tree *offer_id = tree_member(json, "offer_id");

	MUST(same_id(tree_member(json, "peer_id"), msg->peer_id));
	MUST(msg->event == plain_event(tree_member(json, "event")));
	MUST(msg->left_is_zero == plain_left(tree_member(json, "left")));
	MUST(msg->numwant == plain_numwant(tree_member(json, "numwant")));
	MUST(msg->has_answer == has_answer(json));
	if (msg->has_answer) {
		MUST(same_id(tree_member(json, "to_peer_id"), msg->to_peer_id));
		MUST(msg->answer_usable == plain_usable(answer, offer_id));
		if (msg->answer_usable)
			check_offer(&msg->answer, answer, offer_id);
	}
	check_offers(msg, tree_member(json, "offers"));
}

static void check_scrape(const struct msg *msg, const struct tree *hashes)
{
	const struct tree *hash;
	uint32_t count = 0;

	MUST(msg->all == is_null(hashes));
	if (is_kind(hashes, TREE_STRING)) {
		MUST(msg->hash_count == 1 && same_id(hashes, msg->hashes[0]));
	} else if (!msg->all) {
		for (hash = hashes->child; hash != NULL; hash = hash->next) {
			MUST(count < msg->hash_count);
			MUST(same_id(hash, msg->hashes[count++]));
		}
		MUST(count == msg->hash_count);
	}
}

static void check_action(const struct msg *msg, const struct tree *action)
{
	MUST(msg->action == (tree_is(action, "announce") ? MSG_ANNOUNCE :
	    tree_is(action, "scrape") ? MSG_SCRAPE : MSG_NO_ACTION));
	MUST((msg->action_text.text != NULL) == (action != NULL));
	if (action != NULL)
		MUST(msg->action_text.text == action->text &&
		    msg->action_text.len == action->length);
}

static void compare(const struct msg *msg, const char *text, size_t length)
{
	struct tree *json = tree_read(text, length);
	uint8_t id[MSG_ID_SIZE];

	MUST(msg->fault == plain_fault(json));
	if (msg->fault != MSG_BAD_JSON) {
		check_action(msg, tree_member(json, "action"));
		MUST(msg->has_info_hash == plain_id(tree_member(json, "info_hash"), id));
		MUST(!msg->has_info_hash || memcmp(id, msg->info_hash, MSG_ID_SIZE) == 0);
	}
	if (msg->fault == MSG_OK && msg->action == MSG_ANNOUNCE)
		check_announce(msg, json);
	if (msg->fault == MSG_OK && msg->action == MSG_SCRAPE)
		check_scrape(msg, tree_member(json, "info_hash"));
	tree_free(json);
}

/* -- text to send ----------------------------------------------------------------------- */

/* What is written must be the inside of a JSON string that means the same. */
static struct tree *quoted_read(const char *inside, size_t length, char **text)
{
	struct tree *json;

	*text = malloc(length + 2);
	if (*text == NULL)
		abort();
	memcpy(*text + 1, inside, length);
	(*text)[0] = (*text)[length + 1] = '"';
	MUST(ws_utf8_valid((const uint8_t *)*text, length + 2));
	json = tree_read(*text, length + 2);
	MUST(json != NULL && json->kind == TREE_STRING);
	return json;
}

static void check_id_text(const uint8_t id[MSG_ID_SIZE])
{
	char *out = malloc(MSG_ID_TEXT_MAX), *text;
	size_t length = msg_id_text(id, out);
	struct tree *json;

	MUST(length >= MSG_ID_SIZE && length <= MSG_ID_TEXT_MAX);
	json = quoted_read(out, length, &text);
	MUST(same_id(json, id));
	tree_free(json);
	free(text);
	free(out);
}

static void check_action_text(const struct msg *msg)
{
	char *out = malloc(MSG_ACTION_TEXT_MAX), *text;
	size_t length = msg_action_text(msg, out);
	struct tree *json;

	MUST(length < MSG_ACTION_TEXT_MAX && strlen(out) == length);
	json = quoted_read(out, length, &text);
	MUST(json->count <= 32);
	tree_free(json);
	free(text);
	free(out);
}

/* -- parsing ---------------------------------------------------------------------------- */

/* Parse into memory full of a byte; what is said must not depend on that. */
static struct msg *parse(const char *text, size_t length, int fill)
{
	struct msg *msg = malloc(sizeof *msg);

	if (msg == NULL)
		abort();
	memset(msg, fill, sizeof *msg);
	MUST(msg_parse(msg, text, length, place_garbage(PLACE_SCRATCH, msg_scratch_size())) ==
	    msg->fault);
	return msg;
}

static void check_slices(const struct msg *msg, const char *text, size_t length)
{
	uint32_t i;

	MUST(msg->offer_count <= MSG_OFFERS_MAX && msg->hash_count <= MSG_HASHES_MAX);
	for (i = 0; msg->fault == MSG_OK && i < msg->offer_count; i++) {
		const struct msg_offer *offer = &msg->offers[i];

		MUST(lies_in(offer->body.text, offer->body.len, text, length));
		MUST(lies_in(offer->offer_id.text, offer->offer_id.len, text, length));
	}
	if (msg->action_text.text != NULL)
		MUST(lies_in(msg->action_text.text, msg->action_text.len, text, length));
}

static void check_message(const char *data, size_t size)
{
	char *text = exact_copy(data, size);
	struct msg *msg = parse(text, size, 0xa5), *again = parse(text, size, 0x5a);

	MUST(msg->fault == again->fault && msg->action == again->action);
	MUST(msg->has_info_hash == again->has_info_hash);
	MUST(msg->offer_count == again->offer_count && msg->hash_count == again->hash_count);
	check_slices(msg, text, size);
	if (ws_utf8_valid((const uint8_t *)text, size)) {
		compare(msg, text, size);
		compare(again, text, size);
		if (msg->fault == MSG_BAD_ACTION)
			check_action_text(msg);
	} else if (msg->fault == MSG_BAD_ACTION) {
		char out[MSG_ACTION_TEXT_MAX];

		MUST(msg_action_text(msg, out) < MSG_ACTION_TEXT_MAX);
	}
	if (msg->fault != MSG_BAD_JSON && msg->has_info_hash)
		check_id_text(msg->info_hash);
	free(msg);
	free(again);
	free(text);
}

/* Put `?` for every byte that is not part of UTF-8. */
static void repair(char *text, size_t length)
{
	size_t at = 0, size;

	while (at < length) {
		for (size = 1; size < 4 && size < length - at &&
		    !ws_utf8_valid((const uint8_t *)text + at, size); size++)
			continue;
		if (!ws_utf8_valid((const uint8_t *)text + at, size)) {
			text[at] = '?';
			size = 1;
		}
		at += size;
	}
}

int fuzz_msg(const uint8_t *data, size_t size)
{
	char *text = text_copy(data, size);

	if (size >= MSG_ID_SIZE)
		check_id_text(data);
	check_message(text, size);
	if (!ws_utf8_valid(data, size)) {
		repair(text, size);
		check_message(text, size);
	}
	free(text);
	return 0;
}
