/*
 * soak.c - thousands of peers, most of them ill-behaved, for as long as is wanted.
 *
 *	soak [-t divisor] [-s seconds] [-n peers] [-r seed] program...
 *
 * Each program is started and serves two rounds of the load (soak.h), the second half as long,
 * beside witnesses who must be served all the time. After each round all leave; then there must
 * be no peer, no torrent, no buffer in use and no further descriptor, and after the second no more
 * memory than after the first. SIGTERM ends it with status 0, and stderr is empty.
 *
 * A program whose name ends with "sanitized" has instruments, and gets two thirds of the time.
 * The last line is `N passed, N failed`: programs.
 */
#include "soak.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench/process.h"

#define EVENTS_MAX 64           /* handled at a time */
#define TICK 0.01               /* s between pokes */
#define FROZEN 3.0              /* s after which this process was not running, but stopped */
#define POKE_SECONDS 0.5        /* from one poke of a peer to the next, on average */
#define BRAKE_SECONDS 0.2       /* that a witness waits: the load is too much for this machine */
#define PHASE_SECONDS 5.0
#define CONNECTIONS 75          /* that the server takes: percent of the peers */
#define RELOAD_SECONDS 2.5
#define SETTLE_SECONDS 20.0
#define OWN_DESCRIPTORS 64      /* of the load, and 64 of the server, besides their connections */
#define MEMORY_SLACK 1.02       /* of the second round: pages that only it has touched */
#define LINGER_POKES 10         /* that one which left without a word stays */
#define MEMORY_SECONDS 20.0     /* a first round that is shorter does not touch all that it may */
#define OUTCOMES_SECONDS 30.0   /* a round that is shorter need not have seen them all */

/* How many are connected; how many of those that come are settlers, who announce at once and stay,
 * and how many misbehave; and how many of those that would come do so when all connections are in
 * use: all in percent. */
struct phase {
	unsigned open, settlers, bad, rush;
};
/* From the last to the first, so that every round ends among those that misbehave. */
static const struct phase phases[] = {
	{ 70, 0, 90, 100 }, { 100, 100, 0, 1 }, { 100, 60, 30, 100 }, { 55, 0, 20, 100 },
	{ 8, 0, 50, 100 }, { 90, 10, 45, 100 }
};

/* What the load is for: each must have come about. */
static const char *const outcomes[] = {
	"a reply", "an offer", "an answer", "a scrape", "session begun", "session resumed",
	"ended", "ended in its handshake", "reloaded", "lines were dropped",
	"HTTP/1.1 101", "HTTP/1.1 200", "HTTP/1.1 400", "HTTP/1.1 404", "HTTP/1.1 405",
	"HTTP/1.1 408", "HTTP/1.1 413", "HTTP/1.1 426", "HTTP/1.1 429", "HTTP/1.1 431",
	"HTTP/1.1 503", "ended in its upgrade", "ended unread",
	"closed with 1000", "closed with 1002", "closed with 1007", "closed with 1008",
	"closed with 1009", "invalid JSON", "invalid info_hash", "invalid peer_id",
	"invalid action in WS request", "too many connections for this peer_id",
	"too many torrents on this connection", "too many messages in a second", "tracker is full"
};

static struct {
	struct settings settings;
	double seconds;         /* of load, for all programs together */
	unsigned peers;
	uint64_t seed;
	double share;           /* of the seconds, for this program */
	struct load load;
	double real;            /* when the clock of the load was read, by time_now */
	bool frozen;            /* this process was stopped: who is to be heard in time was not */
	double reload;          /* when SIGHUP is sent next, by the clock of the load */
	struct text line;       /* of the server's output, as far as it has come */
} all;

/* --- chance and counts --- */

unsigned chance(struct load *load, unsigned n)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return (unsigned)((load->random >> 24) % n);
}

void tally(struct load *load, const char *name, size_t len)
{
	size_t i;

	if (len > NAME_SIZE - 1)
		len = NAME_SIZE - 1;
	for (i = 0; i < TALLY_MAX && load->tallies[i].name[0] != '\0'; i++)
		if (strncmp(load->tallies[i].name, name, len) == 0 &&
		    load->tallies[i].name[len] == '\0')
			break;
	CHECK(i < TALLY_MAX);
	memcpy(load->tallies[i].name, name, len);
	load->tallies[i].count++;
}

static unsigned long tallied(const struct load *load, const char *name)
{
	size_t i;

	for (i = 0; i < TALLY_MAX; i++)
		if (strcmp(load->tallies[i].name, name) == 0)
			return load->tallies[i].count;
	return 0;
}

/* --- the server, while it serves --- */

static void line_judge(const char *line, size_t len)
{
	static const char *const starts[] = {
		"start: ", "complete: ", "update: ", "stop: ", "WARNING: ", "certificates reloaded"
	};
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(line, starts[i], strlen(starts[i])) == 0)
			break;
	if (i == sizeof(starts) / sizeof(starts[0]))
		check_failed(__FILE__, __LINE__, "a line of output: %s", text_shown(line, len));
	if (starts[i][1] == 'e')
		tally(&all.load, "reloaded", 8);
	else if (strstr(line, " lines were dropped") != NULL)
		tally(&all.load, "lines were dropped", 18);
}

/* Read the output; for every other second nobody does. */
static void output_read(struct server *server)
{
	static char bytes[65536];
	struct text *line = &all.line;
	size_t used = 0, len;
	ssize_t got;

	if ((unsigned)all.load.clock % 2 == 1)
		return;
	while ((got = read(server->out, bytes, sizeof(bytes))) > 0)
		text_add(line, bytes, (size_t)got);
	while (line->len > used && (len = strcspn(line->bytes + used, "\n")) < line->len - used) {
		line->bytes[used + len] = '\0';
		line_judge(line->bytes + used, len);
		used += len + 1;
	}
	if (used > 0)
		memmove(line->bytes, line->bytes + used, line->len - used + 1);
	line->len -= used;
}

/* It lives and has nothing to complain of. Now and then it reads its certificates again. */
static void server_watch(struct server *server)
{
	output_read(server);
	if (server_complains(server) || server_wait(server, 0, false)) {
		(void)server_wait(server, 5, true);   /* a report may be long */
		check_failed(__FILE__, __LINE__, "the server has ended, or written to stderr");
	}
	if (all.load.clock >= all.reload) {
		all.reload = all.load.clock + RELOAD_SECONDS;
		CHECK(kill(server->pid, SIGHUP) == 0);
	}
}

/* --- the load --- */

static bool may_come(struct load *load, const struct phase *phase)
{
	return load->open < load->count * phase->open / 100 &&
	    (load->open < load->count * CONNECTIONS / 100 || chance(load, 100) < phase->rush);
}

/* Has it stayed for long enough? Where all settle, nobody else stays. */
static bool must_leave(const struct peer *peer, const struct phase *phase)
{
	return peer->load->open > peer->load->count * phase->open / 100 ||
	    peer->pokes > peer->kind->pokes + (peer->mute ? LINGER_POKES : 0) ||
	    (phase->settlers == 100 && !kind_is_settler(peer->kind));
}

/* Let a peer do what comes next. */
static void peer_poke(struct peer *peer, const struct phase *phase)
{
	unsigned draw;

	peer->pokes++;
	if (peer->state != PEER_CLOSED) {
		if (must_leave(peer, phase))
			kind_leave(peer);
		else if (peer->state == PEER_OPEN)
			peer_act(peer);
	} else if (may_come(peer->load, phase)) {
		draw = chance(peer->load, 100);
		kind_open(peer, draw < phase->settlers ? SETTLER :
		    draw < phase->settlers + phase->bad ? BAD : GOOD);
	}
}

static void spent_read(struct load *load)
{
	load->spent = (double)process_cpu(load->server->pid) / 1e9;
}

/* Handle what has come, for as long as a tick may last. */
static void load_turn(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(load->epoll, events, EVENTS_MAX, (int)(TICK * 1000)), i;
	double now = time_now(), gap = now - all.real;

	all.real = now;
	spent_read(load);
	all.frozen |= gap > FROZEN;
	/* This process may not have had the processor. */
	load->clock += gap < 10 * TICK ? gap : 10 * TICK;
	/* What came while it was stopped says nothing: the server's clocks went on. */
	for (i = 0; i < count && !all.frozen; i++)
		peer_event(events[i].data.ptr, events[i].events);
}

/* Poke as many as it is time for, but none while the server is slow: it may be the machine that
 * is. And let a visitor come where there must be room. left: s of this round. */
static void load_poke(struct load *load, struct witnesses *witnesses, double *poked, double left)
{
	size_t number = left > 0 ? (size_t)(left / PHASE_SECONDS) : 0;
	const struct phase *phase = &phases[number % (sizeof(phases) / sizeof(phases[0]))];
	double rest = left - (double)number * PHASE_SECONDS;

	if (witnesses_wait(witnesses) > BRAKE_SECONDS)
		*poked = load->clock;
	for (; *poked < load->clock; *poked += POKE_SECONDS / load->count)
		peer_poke(&load->peers[chance(load, load->count)], phase);
	if (phase->open < CONNECTIONS && rest > 1 && rest < PHASE_SECONDS / 2)
		witnesses_visit(witnesses);
}

static void load_leave(struct load *load)
{
	unsigned i;

	for (i = 0; i < load->count; i++)
		if (i % 2 == 0)
			peer_close(&load->peers[i]);
		else
			peer_reset(&load->peers[i]);
	CHECK_NUMBER(load->open, 0);
}

/* Wait until the server has seen that all have left. */
static void load_settle(struct load *load)
{
	double until = time_now() + SETTLE_SECONDS;

	while (server_stat(load->server, "connections") > 1 && time_now() < until)
		time_wait(0.05);
	server_settle(load->server);
}

/* Have witnesses come, then the load, until that moment or until this process was stopped. */
static void load_play(struct load *load, double until, struct testimony *testimony)
{
	struct witnesses *witnesses;
	double poked;

	all.real = time_now();
	spent_read(load);
	witnesses = witnesses_open(load);
	while (!witnesses_met(witnesses)) {
		load_turn(load);
		witnesses_act(witnesses);
	}
	poked = load->clock;
	all.frozen = false;
	while (load->clock < until && !all.frozen) {
		load_turn(load);
		if (all.frozen)
			break;
		witnesses_act(witnesses);
		load_poke(load, witnesses, &poked, until - load->clock);
		server_watch(load->server);
	}
	witnesses_close(witnesses, testimony);
	load_leave(load);
	load_settle(load);
}

/* --- rounds --- */

static void outcomes_check(const struct load *load)
{
	size_t i;

	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (tallied(load, outcomes[i]) == 0)
			check_failed(__FILE__, __LINE__, "never seen: %s", outcomes[i]);
}

/* One round; returns the memory that the server has after it. */
static long round_run(struct load *load, int number, double seconds)
{
	double until = load->clock + seconds;
	struct testimony testimony = { 0, 0, 0, 0 };
	long memory;
	size_t i;

	while (load->clock < until)
		load_play(load, until, &testimony);
	memory = server_memory(load->server);
	printf("%s, round %d: %.0f s; witnesses: %lu steps, longest wait %.2f s, of the server's "
	    "%.2f s; %lu visits; then 0 peers, 0 torrents, 0 buffers, %ld descriptors, %ld KB\n",
	    all.settings.program, number, seconds, testimony.steps, testimony.longest,
	    testimony.spent, testimony.visits, server_descriptors(load->server), memory);
	for (i = 0; number == 1 && i < TALLY_MAX && load->tallies[i].name[0] != '\0'; i++)
		printf("%s%s %lu", i == 0 ? "    " : "; ", load->tallies[i].name,
		    load->tallies[i].count);
	if (number == 1)
		printf("\n");
	fflush(stdout);
	return memory;
}

static void load_make(struct load *load)
{
	unsigned i;

	load->count = all.peers;
	load->random = all.seed * 0x9e3779b97f4a7c15u + 1;
	load->peers = calloc(load->count, sizeof(*load->peers));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK(load->peers != NULL && load->epoll >= 0);
	for (i = 0; i < load->count; i++) {
		load->peers[i].load = load;
		load->peers[i].number = i;
	}
	for (i = 0; i < 20; i++)
		(void)chance(load, 2);
}

/* With limits that the load reaches. */
static struct server *soaked_start(void)
{
	char *connections = format_text("%u", all.peers / 100 * CONNECTIONS);
	char *peers = format_text("%u", all.peers / 4 * 5);
	char *torrents = format_text("%u", all.peers / 8);
	struct server *server = server_start(OPTIONS(PAIR("ec"), "--interval", "60000",
	    "--max-connections", connections, "--max-peers", peers, "--max-torrents", torrents,
	    "--buffer-memory", "4M", "--max-swarms", "64", "--max-handshakes", "64",
	    "--max-rate", "400", "--max-per-address", "24", "--tls-sessions", "1000",
	    "--trust-proxy=127.2.0.0/16", "--full-scrape"));
	const char *line;

	do {
		line = server_line(server, 10);
		CHECK(line != NULL);
	} while (strncmp(line, "limits: ", 8) != 0);
	server->lines.len = server->line = 0;
	server->lines.bytes[0] = '\0';
	return server;
}

static void soak(void)
{
	struct load *load = &all.load;
	double seconds = all.seconds * all.share;
	long first, second;

	load_make(load);
	load->server = soaked_start();
	first = round_run(load, 1, seconds * 2 / 3);
	if (seconds * 2 / 3 >= OUTCOMES_SECONDS)
		outcomes_check(load);
	second = round_run(load, 2, seconds / 3);
	if (seconds * 2 / 3 >= MEMORY_SECONDS)
		CHECK_BETWEEN((double)second, 0, (double)first * MEMORY_SLACK);
}

/* --- the program --- */

/* Raise the limit on descriptors; no more peers than it and the server's allow. */
static void peers_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && all.peers > limit.rlim_cur - OWN_DESCRIPTORS)
		all.peers = (unsigned)(limit.rlim_cur - OWN_DESCRIPTORS);
}

static bool has_instruments(const char *program)
{
	static const char end[] = "sanitized";
	size_t len = strlen(program);

	return len >= sizeof(end) - 1 && strcmp(program + len - (sizeof(end) - 1), end) == 0;
}

/* In a process of its own, for a check that fails ends it. */
static bool program_soak(const char *program, bool alone)
{
	static const struct bb_test test = { "soak", soak, 0, 0 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		all.settings.program = program;
		all.settings.no_sandbox = has_instruments(program);
		all.share = alone ? 1 : has_instruments(program) ? 2.0 / 3 : 1.0 / 3;
		test_run(&all.settings, &test);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0;
}

static char **options_take(int argc, char **argv)
{
	int option;

	all.settings.divisor = 1;
	all.seconds = 1800;
	all.peers = 4000;
	all.seed = (uint64_t)getpid();
	while ((option = getopt(argc, argv, "t:s:n:r:")) != -1) {
		if (option == 't')
			all.settings.divisor = strtod(optarg, NULL);
		else if (option == 's')
			all.seconds = strtod(optarg, NULL);
		else if (option == 'n')
			all.peers = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			all.seed = strtoull(optarg, NULL, 10);
		else
			exit(2);
	}
	if (argv[optind] == NULL || all.peers < 100 || all.seconds < 1) {
		fprintf(stderr, "usage: soak [-t divisor] [-s seconds] [-n peers] [-r seed] "
		    "program...\n");
		exit(2);
	}
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **programs = options_take(argc, argv), folder[] = "/tmp/soak-XXXXXX";
	int passed = 0, failed = 0, i;

	peers_limit();
	printf("seed %llu, %u peers, %.0f s\n", (unsigned long long)all.seed, all.peers,
	    all.seconds);
	if (mkdtemp(folder) == NULL) {
		perror("soak");
		return 2;
	}
	all.settings.folder = folder;
	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; programs[i] != NULL; i++) {
		if (program_soak(programs[i], programs[1] == NULL))
			passed++;
		else
			failed++;
	}
	folder_remove(folder);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0 || passed == 0;
}
