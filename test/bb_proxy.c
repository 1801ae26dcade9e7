/* bb_proxy.c - the peer's address as a proxy tells it; it shows in peersIPv4 and peersIPv6. */
#include "harness.h"

#include <string.h>
#include <sys/socket.h>

/* Announce over a connection with these headers; then this many peers have come by IPv6. */
static void check_family(struct server *server, int family, const char *headers, bool inet6)
{
	struct client *client = client_connect_by(server, family);

	test_case("%s", headers);
	client_shake(client, headers);
	JOIN(client, id_hash(), id_peer(), "");
	CHECK_STAT(server, "peersIPv6", inet6);
	CHECK_STAT(server, "peersIPv4", !inet6);
	client_close(client);
	server_turn(server);
}

#define FORWARDED "X-Forwarded-For: "

static void proxy_trusted(void)
{
	static const struct {
		const char *headers;
		bool inet6;
	} cases[] = {
		{ "", false },
		{ FORWARDED "2001:db8::1\r\n", true },
		{ FORWARDED "1.2.3.4\r\n", false },
		{ FORWARDED "1.2.3.4, 2001:db8::1\r\n", true },
		{ FORWARDED "2001:db8::1, 1.2.3.4\r\n", false },
		{ FORWARDED "1.1.1.1,2.2.2.2,2001:db8::1\r\n", true },
		{ FORWARDED "unknown, 2001:db8::1\r\n", true },
		{ FORWARDED "  2001:db8::1  \r\n", true },
		{ "x-forwarded-for: 2001:db8::1\r\n", true },
		{ FORWARDED "2001:db8::1\r\n" FORWARDED "1.2.3.4\r\n", false },
		{ FORWARDED "1.2.3.4\r\n" FORWARDED "2001:db8::1\r\n", true },
		{ FORWARDED "nonsense\r\n", false },
		{ FORWARDED "2001:db8::1, nonsense\r\n", false },
		{ FORWARDED "2001:db8::1, \r\n", false },
		{ FORWARDED "2001:db8::1::2\r\n", false },
		{ FORWARDED "2001:db8::g\r\n", false },
		{ FORWARDED "\r\n", false },
		{ "X-Real-IP: 2001:db8::1\r\n", true },
		{ "X-Real-IP: 1.2.3.4\r\n", false },
		{ "X-Real-IP: nonsense\r\n", false },
		{ "X-Real-IP: 2001:db8::1\r\n" FORWARDED "1.2.3.4\r\n", false },
		{ FORWARDED "2001:db8::1\r\nX-Real-IP: 1.2.3.4\r\n", true },
		{ "Forwarded: for=\"[2001:db8::1]\"\r\n", false }
	};
	struct server *server = server_start(OPTIONS("--trust-proxy"));
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_family(server, AF_INET, cases[i].headers, cases[i].inet6);
}

/* Without the option nobody is believed. */
static void proxy_not_trusted(void)
{
	struct server *server = server_start(NULL);

	check_family(server, AF_INET, FORWARDED "2001:db8::1\r\n", false);
	check_family(server, AF_INET, "X-Real-IP: 2001:db8::1\r\n", false);
}

static void proxy_inet6(void)
{
	struct server *server;

	if (!machine_has_ipv6())
		test_skip("no IPv6");
	server = server_start(OPTIONS("--trust-proxy"));
	check_family(server, AF_INET6, "", true);
	check_family(server, AF_INET6, FORWARDED "1.2.3.4\r\n", false);
	check_family(server, AF_INET6, FORWARDED "nonsense\r\n", true);
	server = server_start(NULL);
	check_family(server, AF_INET6, FORWARDED "1.2.3.4\r\n", true);
}

/* A unix socket is believed; what has no address there counts for neither family or for either. */
static void proxy_unix(void)
{
	char *path = format_text("unix:%s", test_path("proxy"));
	struct server *server = server_start(OPTIONS("-H", path, "--trust-proxy"));

	check_family(server, AF_UNIX, FORWARDED "2001:db8::1\r\n", true);
	check_family(server, AF_UNIX, FORWARDED "1.2.3.4\r\n", false);
	check_family(server, AF_UNIX, "X-Real-IP: 2001:db8::1\r\n", true);
	JOIN(client_open(server), id_hash(), id_peer(), "");
	CHECK_STAT(server, "peersAll", 1);
}

/* Others than the usual ones, by name. */
static void proxy_networks(void)
{
	static const struct {
		const char *option;
		bool inet, inet6;   /* is 127.0.0.1, ::1 believed */
	} cases[] = {
		{ "--trust-proxy=10.0.0.0/8", false, false },
		{ "--trust-proxy=127.0.0.0/8", true, false },
		{ "--trust-proxy=127.0.0.1", true, false },
		{ "--trust-proxy=127.0.0.2/32", false, false },
		{ "--trust-proxy=127.0.0.2/30", true, false },
		{ "--trust-proxy=0.0.0.0/0", true, false },
		{ "--trust-proxy=::1/128", false, true },
		{ "--trust-proxy=::/0,0.0.0.0/0", true, true },
		{ "--trust-proxy=::2/128", false, false }, { "--trust-proxy=::3/126", false, true },
		{ "--trust-proxy=10.0.0.0/8,127.0.0.1/32", true, false },
		{ "--trust-proxy=::1/128,192.168.0.0/16,127.0.0.0/8", true, true }
	};
	bool ipv6 = machine_has_ipv6();
	struct server *server;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		server = server_start(OPTIONS(cases[i].option));
		check_family(server, AF_INET,
		    format_text(FORWARDED "2001:db8::1\r\nX-Option: %s\r\n",
		    cases[i].option), cases[i].inet);
		if (ipv6)
			check_family(server, AF_INET6,
			    format_text(FORWARDED "1.2.3.4\r\nX-Option: %s\r\n",
			    cases[i].option), !cases[i].inet6);
	}
}

static void proxy_networks_wrong(void)
{
	static const char *const values[] = {
		"--trust-proxy=", "--trust-proxy=1.2.3.4/33", "--trust-proxy=::/129",
		"--trust-proxy=1.2.3", "--trust-proxy=1.2.3.4/", "--trust-proxy=1.2.3.4/8x",
		"--trust-proxy=1.2.3.4/-1", "--trust-proxy=10.0.0.0/8,",
		"--trust-proxy=10.0.0.0/8,x", "--trust-proxy=localhost"
	};
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		test_case("%s", values[i]);
		outcome = program_run(OPTIONS("-p", "0", values[i]));
		CHECK_NUMBER(outcome.status, 2);
		CHECK_TEXT(outcome.out, "");
		CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	}
}

const struct bb_test bb_proxy[] = {
	TEST(proxy_trusted, FITS, 0), TEST(proxy_not_trusted, FITS, 0), TEST(proxy_inet6, FITS, 0),
	TEST(proxy_unix, FITS, 0), TEST(proxy_networks, FITS, 0),
	TEST(proxy_networks_wrong, FITS, 0), TESTS_END
};
