/* judge.c - see judge.h */
#include "judge.h"

#include "check.h"
#include "fuzz.h"
#include "json.h"
#include "world.h"

/* The id that a member holds; all that is emitted has good ones. */
static void id_of(const struct json *json, const char *name, uint8_t id[SWARM_ID_SIZE])
{
	const struct json *member = json_member(json, name);
	size_t i;

	MUST(member != NULL && member->kind == JSON_STRING && member->count == SWARM_ID_SIZE);
	for (i = 0; i < SWARM_ID_SIZE; i++) {
		MUST(member->points[i] < 256);
		id[i] = (uint8_t)member->points[i];
	}
}

static uint32_t number_of(const struct json *json, const char *name)
{
	const struct json *member = json_member(json, name);

	MUST(member != NULL && member->kind == JSON_NUMBER);
	return (uint32_t)strtoul(member->text, NULL, 10);
}

static void judge_reply(const struct swarm *swarm, const struct json *json)
{
	uint8_t hash[SWARM_ID_SIZE];
	struct swarm_counts counts;

	id_of(json, "info_hash", hash);
	counts = swarm_counts(swarm, swarm_torrent(swarm, hash));
	MUST(json_is(json_member(json, "action"), "announce"));
	MUST(number_of(json, "complete") == counts.complete);
	MUST(number_of(json, "incomplete") == counts.incomplete);
	MUST(number_of(json, "interval") > 0);
}

/* An offer_id is one that a client can be sure of. */
static void judge_relayed(const struct json *json, const struct json *body)
{
	const struct json *offer_id = json_member(json, "offer_id");

	MUST(json_is(json_member(json, "action"), "announce"));
	MUST(offer_id != NULL && offer_id->kind == JSON_STRING);
	MUST(offer_id->count <= MSG_OFFER_ID_MAX);
	MUST(json_member(body, "sdp") != NULL && json_member(body, "sdp")->kind == JSON_STRING);
}

static void judge_offer(const struct swarm *swarm, const struct json *json, uint32_t link)
{
	uint8_t hash[SWARM_ID_SIZE], sender[SWARM_ID_SIZE];

	judge_relayed(json, json_member(json, "offer"));
	id_of(json, "info_hash", hash);
	id_of(json, "peer_id", sender);
	MUST(check_swarm_other(swarm, swarm_torrent(swarm, hash), swarm_peer(swarm, sender), link));
}

static void judge_answer(const struct swarm *swarm, const struct judge_message *message,
    const struct json *json, uint32_t link)
{
	struct json *brought = json_read(message->text, message->length);
	uint8_t hash[SWARM_ID_SIZE], sender[SWARM_ID_SIZE], target[SWARM_ID_SIZE];

	judge_relayed(json, json_member(json, "answer"));
	id_of(json, "info_hash", hash);
	id_of(json, "peer_id", sender);
	id_of(brought, "to_peer_id", target);
	MUST(memcmp(sender, target, sizeof target) != 0);
	MUST(swarm_member(swarm, swarm_torrent(swarm, hash), swarm_peer(swarm, target), link) != 0);
	json_free(brought);
}

static bool lies_in_message(const struct judge_message *message, struct msg_slice piece)
{
	return lies_in(piece.text, piece.len, message->text, message->length);
}

void judge_emitted(const struct swarm *swarm, const struct judge_message *message, uint32_t link,
    const struct msg_slice *pieces, size_t count)
{
	struct world_bytes whole = { 0 };
	struct json *json;
	size_t i;

	for (i = 0; i < count; i++)
		world_bytes_add(&whole, pieces[i].text, pieces[i].len);
	json = json_read((const char *)whole.at, whole.length);
	MUST(json != NULL && json->kind == JSON_OBJECT);
	if (count > 1) {
		MUST(count == 5 && lies_in_message(message, pieces[1]));
		MUST(lies_in_message(message, pieces[3]));
	}
	if (json_member(json, "offer") != NULL)
		judge_offer(swarm, json, link);
	else if (json_member(json, "answer") != NULL)
		judge_answer(swarm, message, json, link);
	else if (json_member(json, "interval") != NULL)
		judge_reply(swarm, json);
	json_free(json);
	world_bytes_free(&whole);
}
