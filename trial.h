/*
 * trial.h - does TLS work with the BearSSL that this program found?
 *
 * That a link's context may shrink to an image (tls.h) rests on what is known of one version of
 * BearSSL. So before tables are made two links are put through it in memory, with AES-GCM and with
 * ChaCha20-Poly1305: a handshake (RFC 5246, section 7.3, the abbreviated one, which needs no
 * certificate), then records both ways in turn, so that each is thawed and frozen over the other.
 * The client's side is the trial's own.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>

size_t trial_size(void);

/* In trial_size bytes of zeros, which stay the caller's. False: images do not work, and contexts
 * have to be kept whole (tls_options.whole). */
bool trial_images(void *memory);

#endif
