/* judge.c - see judge.h */
#include "judge.h"

#include "check.h"
#include "fuzz.h"
#include "tree.h"
#include "world.h"

/* The id that a member holds; all that is emitted has good ones. */
static void id_of(const struct tree *json, const char *name, uint8_t id[SWARM_ID_SIZE])
{
	const struct tree *member = tree_member(json, name);
	size_t i;

	MUST(member != NULL && member->kind == TREE_STRING && member->count == SWARM_ID_SIZE);
	for (i = 0; i < SWARM_ID_SIZE; i++) {
		MUST(member->points[i] < 256);
		id[i] = (uint8_t)member->points[i];
	}
}

static uint32_t number_of(const struct tree *json, const char *name)
{
	const struct tree *member = tree_member(json, name);

	MUST(member != NULL && member->kind == TREE_NUMBER);
	return (uint32_t)strtoul(member->text, NULL, 10);
}

static void judge_reply(const struct swarm *swarm, const struct tree *json)
{
	uint8_t hash[SWARM_ID_SIZE];
	struct swarm_counts counts;

	id_of(json, "info_hash", hash);
	counts = swarm_counts(swarm, swarm_torrent(swarm, hash));
	MUST(tree_is(tree_member(json, "action"), "announce"));
	MUST(number_of(json, "complete") == counts.complete);
	MUST(number_of(json, "incomplete") == counts.incomplete);
	MUST(number_of(json, "interval") > 0);
}

/* An offer_id is one that a client can be sure of. */
static void judge_relayed(const struct tree *json, const struct tree *body)
{
	const struct tree *offer_id = tree_member(json, "offer_id");

	MUST(tree_is(tree_member(json, "action"), "announce"));
	MUST(offer_id != NULL && offer_id->kind == TREE_STRING);
	MUST(offer_id->count <= MSG_OFFER_ID_MAX);
	MUST(tree_member(body, "sdp") != NULL && tree_member(body, "sdp")->kind == TREE_STRING);
}

static void judge_offer(const struct swarm *swarm, const struct tree *json, uint32_t link)
{
	uint8_t hash[SWARM_ID_SIZE], sender[SWARM_ID_SIZE];

	judge_relayed(json, tree_member(json, "offer"));
	id_of(json, "info_hash", hash);
	id_of(json, "peer_id", sender);
	MUST(check_swarm_other(swarm, swarm_torrent(swarm, hash), swarm_peer(swarm, sender), link));
}

static void judge_answer(const struct swarm *swarm, const struct judge_message *message,
    const struct tree *json, uint32_t link)
{
	struct tree *brought = tree_read(message->text, message->length);
	uint8_t hash[SWARM_ID_SIZE], sender[SWARM_ID_SIZE], target[SWARM_ID_SIZE];

	judge_relayed(json, tree_member(json, "answer"));
	id_of(json, "info_hash", hash);
	id_of(json, "peer_id", sender);
	id_of(brought, "to_peer_id", target);
	MUST(memcmp(sender, target, sizeof target) != 0);
	MUST(swarm_member(swarm, swarm_torrent(swarm, hash), swarm_peer(swarm, target), link) != 0);
	tree_free(brought);
}

static bool lies_in_message(const struct judge_message *message, struct msg_slice piece)
{
	return lies_in(piece.text, piece.len, message->text, message->length);
}

void judge_emitted(const struct swarm *swarm, const struct judge_message *message, uint32_t link,
    const struct msg_slice *pieces, size_t count)
{
	struct world_bytes whole = { 0 };
	struct tree *json;
	size_t i;

	for (i = 0; i < count; i++)
		world_bytes_add(&whole, pieces[i].text, pieces[i].len);
	json = tree_read((const char *)whole.at, whole.length);
	MUST(json != NULL && json->kind == TREE_OBJECT);
	if (count > 1) {
		MUST(count == 5 && lies_in_message(message, pieces[1]));
		MUST(lies_in_message(message, pieces[3]));
	}
	if (tree_member(json, "offer") != NULL)
		judge_offer(swarm, json, link);
	else if (tree_member(json, "answer") != NULL)
		judge_answer(swarm, message, json, link);
	else if (tree_member(json, "interval") != NULL)
		judge_reply(swarm, json);
	tree_free(json);
	world_bytes_free(&whole);
}
