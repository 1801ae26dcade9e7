/* try_key.c - what does a tracker say to an announce by this URL? For test/library.
 *
 *	try_key PORT TARGET
 *
 * Prints the first message. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define TRIES_MAX 2000          /* of 5 ms */

int main(int argc, char **argv)
{
	struct guest *guest = argc != 3 ? NULL :
	    guest_open((uint16_t)atoi(argv[1]), false, argv[2], "");
	const char *heard = "";
	int tries;

	if (guest == NULL)
		return 2;
	guest_say(guest, "{\"action\":\"announce\",\"info_hash\":\"HHHHHHHHHHHHHHHHHHHH\","
	    "\"peer_id\":\"aaaaaaaaaaaaaaaaaaaa\"}");
	for (tries = 0; tries < TRIES_MAX && !guest_ended(guest); tries++) {
		guest_step(guest);
		heard = guest_heard_length(guest) > 0 ? guest_heard(guest) : "";
		if (strncmp(heard, "101\n", 4) == 0)
			heard += 4;
		if (*heard != '\0')
			break;
		poll(NULL, 0, 5);
	}
	fputs(heard, stdout);
	guest_leave(guest);
	return 0;
}
