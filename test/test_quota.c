/* test_quota.c - counts of connections by address, against a naive model. */
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "../quota.h"

#define CAPACITY 64
#define ADDRESSES 40

static const struct hash_secret secret = { { 1, 2 } };

static struct address address(const char *text)
{
	struct address made;

	if (!address_parse(text, strlen(text), &made))
		abort();
	return made;
}

static struct quota *make(uint32_t capacity, uint32_t most)
{
	return quota_init(calloc(1, quota_size(capacity)), capacity, most, &secret);
}

static void limit(void)
{
	struct quota *quota = make(CAPACITY, 2);
	struct address one = address("192.0.2.1"), other = address("192.0.2.2");

	CHECK(quota_enter(quota, &one));
	CHECK(quota_enter(quota, &one));
	CHECK(!quota_enter(quota, &one));
	CHECK(quota_enter(quota, &other));
	quota_leave(quota, &one);
	CHECK(quota_enter(quota, &one));
	CHECK(!quota_enter(quota, &one));
	free(quota);
}

static void households(void)
{
	struct quota *quota = make(CAPACITY, 1);
	struct address a = address("2001:db8:1:2::3"), same = address("2001:db8:1:2:ffff::4");
	struct address next = address("2001:db8:1:3::3"), zeros = address("::1");
	struct address ipv4 = address("0.0.0.1"), unix_socket = { { 0 } };

	CHECK(quota_enter(quota, &a));
	CHECK(!quota_enter(quota, &same));
	CHECK(quota_enter(quota, &next));
	/* IPv4 in IPv6 form begins with 64 zeros, as ::1 does. */
	CHECK(quota_enter(quota, &zeros));
	CHECK(quota_enter(quota, &ipv4));
	CHECK(!quota_enter(quota, &ipv4));
	CHECK(quota_enter(quota, &unix_socket));
	CHECK(quota_enter(quota, &unix_socket));
	quota_leave(quota, &unix_socket);
	quota_leave(quota, &same);      /* the household's one */
	CHECK(quota_enter(quota, &a));
	free(quota);
}

/* Random arrivals and departures; entries are used again, so more addresses come than there is
 * room for at a time. */
static void model(void)
{
	struct quota *quota = make(CAPACITY, 3);
	unsigned count[ADDRESSES] = { 0 }, total = 0, chance = 1, step;
	char text[32];

	for (step = 0; step < 200000; step++) {
		struct address at;
		unsigned which;

		chance = chance * 1103515245 + 12345;
		which = chance / 65536 % ADDRESSES;
		snprintf(text, sizeof text, which % 2 ? "10.0.%u.1" : "2001:db8:%x::", which);
		at = address(text);
		if (chance / 4096 % 2 && count[which] > 0) {
			quota_leave(quota, &at);
			count[which]--;
			total--;
		} else if (total < CAPACITY) {
			bool entered = quota_enter(quota, &at);

			if (entered != (count[which] < 3)) {
				CHECK(entered == (count[which] < 3));
				break;
			}
			count[which] += entered;
			total += entered;
		}
	}
	CHECK(step == 200000);
	free(quota);
}

int main(void)
{
	RUN(limit);
	RUN(households);
	RUN(model);
	return test_end();
}
