/*
 * peerid.h - which client a peer_id names (BEP 20).
 *
 * Pure: no state, no allocation. A peer_id is chosen by a stranger: what comes out of here
 * is printable ASCII, bounded, and still has to be escaped for HTML and JSON.
 *
 * Known styles: Azureus `-XXvvvv-`, Shadow `Xvvv--`, Mainline `Mv-v-v--`. WebTorrent (`WW`)
 * and WebTorrent Desktop (`WD`) write AABB, each part without its leading zero: `-WW0102-` is 1.2.
 */
#ifndef PEERID_H
#define PEERID_H

#include <stdint.h>

#define PEERID_SIZE 20
#define PEERID_VERSION_MAX 16      /* longest version with its terminating 0 */
#define PEERID_UNKNOWN 0           /* the name's number for what matches nothing */

struct peerid_client {
	uint16_t name;                        /* a number below peerid_names() */
	char version[PEERID_VERSION_MAX];     /* filled up with 0; "" when there is none to read */
};

/* Tell the client. For PEERID_UNKNOWN the version is the first 8 printable characters of the id. */
void peerid_client(const uint8_t id[static PEERID_SIZE], struct peerid_client *client);

/* How many names there are; numbers are dense, so they can index an array. */
uint16_t peerid_names(void);

/* The name of a number: a constant string; "unknown" for PEERID_UNKNOWN and where no name is. */
const char *peerid_name(uint16_t name);

#endif
