/*
 * guest.h - small clients for tests that have the server in their own process: they never block.
 *
 * A guest writes what it is told to, and notes what it hears as lines: a message as it is, and
 * `close 1001`, `ping`, `pong TEXT`, `end` (of the connection), `101` and `200 TYPE BODY` for
 * answers by HTTP. Nothing happens but in guest_step.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;

/* What a frame's first byte is. */
#define GUEST_TEXT 0x81
#define GUEST_FIRST 0x01        /* the first fragment of a message */
#define GUEST_LAST 0x80
#define GUEST_CLOSE 0x88
#define GUEST_PING 0x89

/* Connect to a port of 127.0.0.1. NULL if that fails. */
struct guest *guest_connect(uint16_t port, bool secure);

/* The same, and ask for a WebSocket. headers are whole lines. */
struct guest *guest_open(uint16_t port, bool secure, const char *target, const char *headers);

/* Have bytes written, or a frame, or a text message. */
void guest_write(struct guest *guest, const void *bytes, size_t length);
void guest_frame(struct guest *guest, int first, const char *payload, size_t length);
void guest_say(struct guest *guest, const char *text);

/* From here on hear of bodies only how long they are, and how they begin and end. */
void guest_hear_lengths(struct guest *guest);

/* Write and read what can be. Did anything happen? */
bool guest_step(struct guest *guest);

/* The lines heard since this was called last. Good until guest_step. */
const char *guest_heard(struct guest *guest);

/* How long that would be. */
size_t guest_heard_length(const struct guest *guest);

/* Its socket. */
int guest_descriptor(const struct guest *guest);

/* Has it heard the connection's end? */
bool guest_ended(const struct guest *guest);

/* Say that no more comes (FIN); or let the connection break (RST) and be gone; or close it and be
 * gone. */
void guest_finish(struct guest *guest);
void guest_break(struct guest *guest);
void guest_leave(struct guest *guest);

#endif
