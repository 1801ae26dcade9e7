/*
 * judge.h - is what the tracker emits right, by the tables as they are at that moment?
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <stddef.h>
#include <stdint.h>

#include "../../msg.h"
#include "../../swarm.h"

/* The message that led to it. */
struct judge_message {
	const char *text;
	size_t length;
};

/*
 * Judge one message to a link. A reply to an announce must tell the torrent's counts. What is
 * relayed must be a part of the message that brought it, byte for byte, and go to a member of the
 * same torrent: an offer to one that has another peer_id, an answer to the one that it is for.
 */
void judge_emitted(const struct swarm *swarm, const struct judge_message *message, uint32_t link,
    const struct msg_slice *pieces, size_t count);

#endif
