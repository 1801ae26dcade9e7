/*
 * load.c - puts a tracker under load and reads what that costs it: see usage below, and README.
 *
 * One line of JSON for a run. CPU times are of the process PID, read while nothing is under way
 * before and after the time measured; latency is from the moment at which an announce should have
 * been sent to its reply. Linux only.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crowd.h"
#include "disturb.h"
#include "process.h"

#define WINDOW_OPENING 64               /* connections that are made at a time */
#define SECOND 1000000000u              /* ns */
#define FIRST_DISTURBER 1000000         /* number of a peer and a swarm */
#define DISTURB_MAX 30                  /* s that the end of a disturbance may take */

enum mode { MODE_CLOSED, MODE_OPEN, MODE_CHURN, MODE_IDLE };

struct load {
	enum mode mode;
	struct crowd_options options;
	uint16_t port;
	long pid;
	double seconds;                 /* measured */
	double warm;                    /* before that */
	unsigned window;                /* closed loop: announces or connections under way */
	bool gather;                    /* hold the server while a window of announces is sent */
	unsigned rate;                  /* open loop: announces a second */
	bool secure;
	enum wire_resume resume;
	unsigned disturbance;           /* enum disturbance */
	unsigned disturbers;            /* peers in the storm */
	struct crowd crowd;
	bool issuing;                   /* what ends is followed by a next one */
	uint64_t cycles;                /* of churn */
	struct histogram cycle_times;
};

/* What a part of a run came to. */
struct result {
	double seconds;                 /* from its start to the last message */
	double announces, messages;
	double cpu;                     /* ns of the server */
	double p50, p99, p999;          /* us */
};

static const char usage[] =
    "usage: load [option ...] PORT PID\n"
    "  -m closed|open|churn|idle   what to do [closed]\n"
    "  -n N      peers [1000]\n"
    "  -s N      swarms [20]\n"
    "  -z E      their size falls with rank to the power E [all alike]\n"
    "  -o N      offers in an announce [0]\n"
    "  -b N      bytes of SDP in an offer [600]\n"
    "  -a N      percent of offers that are answered [0]\n"
    "  -t S      seconds that are measured [3]\n"
    "  -T S      seconds before that [0.5]\n"
    "  -w N      closed, churn: how many are under way [64]\n"
    "  -g        closed: stop the process while a window is sent\n"
    "  -r N      open: announces a second [1000]\n"
    "  -S        TLS\n"
    "  -R full|own|shared   TLS sessions that are resumed [own]\n"
    "  -d storm|deaf|large|fast|silent|heads|bodies|hellos|flood|pipeline|fragments|pings|streams|\n"
    "            readers\n"
	    "            open: measure once more while some peers do that\n"
    "  -D N      peers in the storm [1000]\n";

/* -- measuring --------------------------------------------------------------------------- */

struct mark {
	uint64_t time, cpu, announces, messages;
};

static struct mark mark_now(const struct load *load)
{
	const struct crowd *crowd = &load->crowd;

	return (struct mark){ time_now(), process_cpu(load->pid),
		crowd->announces + crowd->answered, crowd->replies + crowd->relays };
}

static struct result result_since(struct load *load, const struct mark *start, uint64_t end)
{
	const struct histogram *latency = &load->crowd.latency;
	struct mark now = mark_now(load);

	return (struct result){ .seconds = (double)(end - start->time) / SECOND,
		.announces = (double)(now.announces - start->announces),
		.messages = (double)(now.messages - start->messages),
		.cpu = (double)(now.cpu - start->cpu), .p50 = histogram_at(latency, 0.5) / 1e3,
		.p99 = histogram_at(latency, 0.99) / 1e3,
		.p999 = histogram_at(latency, 0.999) / 1e3 };
}

static double per(double what, double count)
{
	return count > 0 ? what / count : 0;
}

static void print_setting(const struct load *load)
{
	static const char *const modes[] = { [MODE_CLOSED] = "closed", [MODE_OPEN] = "open",
		[MODE_CHURN] = "churn", [MODE_IDLE] = "idle" };
	const struct crowd_options *options = &load->options;

	printf("{\"mode\":\"%s\",\"tls\":%s,\"peers\":%u,\"swarms\":%u,\"zipf\":%g,\"offers\":%u,"
	    "\"bytes\":%u,\"answers\":%u", modes[load->mode], load->secure ? "true" : "false",
	    options->peers, options->swarms, options->zipf, options->offers, options->bytes,
	    options->answers);
}

static void print_latency(const struct result *result, const char *suffix)
{
	printf(",\"p50_us%s\":%.0f,\"p99_us%s\":%.0f,\"p999_us%s\":%.0f", suffix, result->p50,
	    suffix, result->p99, suffix, result->p999);
}

static void print_result(const struct load *load, const struct result *result)
{
	struct process_memory memory = process_memory(load->pid);

	printf(",\"seconds\":%.2f,\"announces\":%.0f,\"messages\":%.0f,\"skipped\":%llu,"
	    "\"announces_per_s\":%.0f,\"messages_per_s\":%.0f,\"cpu_us_per_announce\":%.3f,"
	    "\"cpu_us_per_message\":%.3f,\"cpu_share\":%.3f", result->seconds, result->announces,
	    result->messages, (unsigned long long)load->crowd.skipped,
	    per(result->announces, result->seconds), per(result->messages, result->seconds),
	    per(result->cpu, result->announces) / 1e3, per(result->cpu, result->messages) / 1e3,
	    per(result->cpu / SECOND, result->seconds));
	print_latency(result, "");
	printf(",\"rss_anonymous\":%.0f,\"rss_file\":%.0f", memory.anonymous, memory.file);
}

/* -- closed loop ------------------------------------------------------------------------- */

static void follow(struct crowd *crowd, struct peer *peer)
{
	const struct load *load = crowd->context;

	(void)peer;
	if (load->issuing)
		crowd_announce_next(crowd, time_now());
}

/* A window of announces reaches the server at once, however slow this process is. */
static void gathered(struct load *load)
{
	struct crowd *crowd = &load->crowd;
	uint64_t all = crowd->replies + load->window;
	unsigned i;

	if (kill((pid_t)load->pid, SIGSTOP) != 0) {
		perror("load: kill");
		exit(1);
	}
	for (i = 0; i < load->window; i++)
		crowd_announce_next(crowd, time_now());
	kill((pid_t)load->pid, SIGCONT);
	/* Without sleep: to wake this process would be the server's work, which it does not have
	 * with peers that are elsewhere. */
	while (crowd->replies < all)
		wires_poll(&crowd->wires, 0);
}

static void gathered_loop(struct load *load, uint64_t end)
{
	while (time_now() < end)
		gathered(load);
}

/* Returns when the last announce was sent. */
static uint64_t closed_loop(struct load *load, double seconds)
{
	uint64_t end = time_now() + (uint64_t)(seconds * SECOND);
	unsigned i;

	if (load->gather) {
		gathered_loop(load, end);
		crowd_drain(&load->crowd);
		return time_now();
	}
	load->issuing = true;
	for (i = 0; i < load->window; i++)
		crowd_announce_next(&load->crowd, time_now());
	wires_wake(&load->crowd.wires, end);
	while (time_now() < end)
		wires_poll(&load->crowd.wires, -1);
	load->issuing = false;
	end = time_now();
	crowd_drain(&load->crowd);
	return end;
}

/* -- open loop --------------------------------------------------------------------------- */

/* Time is up, and with it the disturbance, if there is one: it may end later. */
static bool is_over(struct disturb_shared *shared, uint64_t end)
{
	if (time_now() < end)
		return false;
	if (shared == NULL)
		return true;
	atomic_store(&shared->go, false);
	return atomic_load(&shared->done) || time_now() > end + DISTURB_MAX * (uint64_t)SECOND;
}

static uint64_t open_loop(struct load *load, double seconds, struct disturb_shared *shared)
{
	uint64_t next = time_now(), end = next + (uint64_t)(seconds * SECOND);
	uint64_t gap = SECOND / load->rate;

	while (!is_over(shared, end)) {
		for (; next <= time_now(); next += gap)
			crowd_announce_next(&load->crowd, next);
		wires_wake(&load->crowd.wires, next);
		wires_poll(&load->crowd.wires, -1);
	}
	end = time_now();
	crowd_drain(&load->crowd);
	return end;
}

/* -- churn ------------------------------------------------------------------------------- */

/* A peer has its reply: it goes, and comes again as another. */
static void churn_next(struct crowd *crowd, struct peer *peer)
{
	struct load *load = crowd->context;

	load->cycles++;
	wire_close(&peer->wire);
	if (load->issuing)
		crowd_reconnect(crowd, peer);
}

static uint64_t churn_loop(struct load *load, double seconds)
{
	uint64_t end = time_now() + (uint64_t)(seconds * SECOND);
	unsigned i;

	load->issuing = true;
	for (i = 0; i < load->window; i++)
		crowd_reconnect(&load->crowd, &load->crowd.peers[i]);
	wires_wake(&load->crowd.wires, end);
	while (time_now() < end)
		wires_poll(&load->crowd.wires, -1);
	load->issuing = false;
	end = time_now();
	crowd_drain(&load->crowd);
	return end;
}

/* -- runs -------------------------------------------------------------------------------- */

static uint64_t loop(struct load *load, double seconds)
{
	switch (load->mode) {
	case MODE_CLOSED: return closed_loop(load, seconds);
	case MODE_OPEN: return open_loop(load, seconds, NULL);
	case MODE_CHURN: return churn_loop(load, seconds);
	case MODE_IDLE: break;
	}
	return time_now();
}

static struct mark measure_begin(struct load *load)
{
	histogram_clear(&load->crowd.latency);
	load->crowd.skipped = 0;
	load->cycles = 0;
	return mark_now(load);
}

static void run_idle(struct load *load)
{
	struct process_memory before = process_memory(load->pid), after;
	double peers = load->options.peers;
	uint64_t start = time_now();

	crowd_come(&load->crowd, load->window);
	after = process_memory(load->pid);
	print_setting(load);
	printf(",\"seconds\":%.2f,\"rss_start\":%.0f,\"anonymous_start\":%.0f,"
	    "\"anonymous_per_peer\":%.1f,\"rss_per_peer\":%.1f}\n",
	    (double)(time_now() - start) / SECOND, before.anonymous + before.file,
	    before.anonymous, (after.anonymous - before.anonymous) / peers,
	    (after.anonymous + after.file - before.anonymous - before.file) / peers);
}

/* before: ns of CPU a second without storm. */
static void print_storm(const struct result *result, const struct disturb_shared *shared,
    double before)
{
	double connections = (double)atomic_load(&shared->count);
	double time = (double)atomic_load(&shared->time);

	printf(",\"storms\":%llu,\"storm_seconds\":%.3f,\"resumed\":%llu,\"connects_per_s\":%.0f,"
	    "\"cpu_us_per_connect\":%.1f", atomic_load(&shared->storms),
	    per(time / SECOND, (double)atomic_load(&shared->storms)),
	    atomic_load(&shared->resumed), per(connections * SECOND, time),
	    per(result->cpu - before * result->seconds, connections) / 1e3);
}

/* Measure again, while others disturb. */
static void run_disturbed(struct load *load, struct disturb_shared *shared,
    const struct result *before)
{
	struct mark start = measure_begin(load);
	struct result result;

	atomic_store(&shared->go, true);
	result = result_since(load, &start, open_loop(load, load->seconds, shared));
	print_latency(&result, "_disturbed");
	printf(",\"p99_times\":%.2f,\"cpu_share_disturbed\":%.3f,\"skipped_disturbed\":%llu,"
	    "\"disturbances\":%llu,\"disturbers_ended\":%llu", per(result.p99, before->p99),
	    per(result.cpu / SECOND, result.seconds), (unsigned long long)load->crowd.skipped,
	    atomic_load(&shared->count), atomic_load(&shared->ended));
	if (load->disturbance == DISTURB_STORM)
		print_storm(&result, shared, per(before->cpu, before->seconds));
}

/* Those that storm have swarms of their own, so that nothing is relayed to them. */
static struct disturb_shared *run_disturbers(const struct load *load)
{
	struct disturb_plan plan = { .kind = load->disturbance, .port = load->port,
		.secure = load->secure, .resume = load->resume, .crowd = load->options };
	struct disturb_shared *shared;

	if (load->disturbance == DISTURB_NOT)
		return NULL;
	plan.crowd.first = FIRST_DISTURBER;
	plan.crowd.offers = 0;
	plan.crowd.zipf = 0;
	plan.crowd.peers = 1;
	if (load->disturbance == DISTURB_STORM) {
		plan.crowd.peers = load->disturbers;
		plan.crowd.first_swarm = FIRST_DISTURBER;
	}
	shared = disturb_start(&plan);
	while (!atomic_load(&shared->ready))
		usleep(10000);
	return shared;
}

static void run(struct load *load)
{
	struct disturb_shared *shared = run_disturbers(load);
	struct mark start;
	struct result result;
	uint64_t resumed;

	if (load->mode != MODE_CHURN)
		crowd_come(&load->crowd, WINDOW_OPENING);
	loop(load, load->warm);
	start = measure_begin(load);
	resumed = load->crowd.resumed;
	result = result_since(load, &start, loop(load, load->seconds));
	print_setting(load);
	print_result(load, &result);
	if (load->mode == MODE_CHURN)
		printf(",\"connects_per_s\":%.0f,\"cpu_us_per_connect\":%.2f,\"resumed\":%llu",
		    per((double)load->cycles, result.seconds),
		    per(result.cpu, (double)load->cycles) / 1e3,
		    (unsigned long long)(load->crowd.resumed - resumed));
	if (shared != NULL)
		run_disturbed(load, shared, &result);
	printf("}\n");
}

/* -- options ----------------------------------------------------------------------------- */

/* Which of the words, separated by spaces, is it? -1 if none. */
static int word_of(const char *word, const char *const *words, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return i;
	}
	return -1;
}

static bool read_words(struct load *load, int letter, const char *value)
{
	static const char *const modes[] = { "closed", "open", "churn", "idle" };
	static const char *const resumes[] = { "full", "own", "shared" };
	static const char *const disturbances[] = { "none", "storm", "deaf", "large", "fast",
	    "silent", "heads", "bodies", "hellos", "flood", "pipeline", "fragments", "pings",
	    "streams", "readers" };
	int at = letter == 'm' ? word_of(value, modes, 4) : letter == 'R' ?
	    word_of(value, resumes, 3) : word_of(value, disturbances, 15);

	if (at < 0)
		return false;
	switch (letter) {
	case 'm': load->mode = (enum mode)at; break;
	case 'R': load->resume = (enum wire_resume)at; break;
	default: load->disturbance = (unsigned)at; break;
	}
	return true;
}

static bool read_option(struct load *load, int letter, const char *value)
{
	unsigned number = value != NULL ? (unsigned)strtoul(value, NULL, 10) : 0;

	switch (letter) {
	case 'n': load->options.peers = number; break;
	case 's': load->options.swarms = number; break;
	case 'z': load->options.zipf = strtod(value, NULL); break;
	case 'o': load->options.offers = number; break;
	case 'b': load->options.bytes = number; break;
	case 'a': load->options.answers = number; break;
	case 't': load->seconds = strtod(value, NULL); break;
	case 'T': load->warm = strtod(value, NULL); break;
	case 'w': load->window = number; break;
	case 'r': load->rate = number; break;
	case 'g': load->gather = true; break;
	case 'S': load->secure = true; break;
	case 'D': load->disturbers = number; break;
	case 'm':
	case 'R':
	case 'd': return read_words(load, letter, value);
	default: return false;
	}
	return true;
}

static bool read_options(struct load *load, int argc, char **argv)
{
	const struct crowd_options *options = &load->options;
	int letter;

	while ((letter = getopt(argc, argv, "m:n:s:z:o:b:a:t:T:w:gr:SR:d:D:")) != -1) {
		if (!read_option(load, letter, optarg))
			return false;
	}
	if (argc - optind != 2)
		return false;
	load->port = (uint16_t)strtoul(argv[optind], NULL, 10);
	load->pid = strtol(argv[optind + 1], NULL, 10);
	return options->swarms > 0 && options->peers >= options->swarms && load->window > 0 &&
	    load->window <= options->peers && load->rate > 0 &&
	    options->bytes >= CROWD_BYTES_MIN &&
	    (load->disturbance == DISTURB_NOT || load->mode == MODE_OPEN);
}

/* A descriptor for each peer. */
static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	static struct load load = { .options = { .peers = 1000, .swarms = 20, .bytes = 600 },
		.seconds = 3, .warm = 0.5, .window = 64, .rate = 1000, .resume = WIRE_OWN,
		.disturbers = 1000 };
	struct crowd *crowd = &load.crowd;

	if (!read_options(&load, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	raise_limit();
	wires_init(&crowd->wires, load.port);
	crowd->wires.secure = load.secure;
	crowd->wires.resume = load.resume;
	crowd_init(crowd, &load.options);
	crowd->context = &load;
	crowd->replied = load.mode == MODE_CHURN ? churn_next :
	    load.mode == MODE_CLOSED ? follow : NULL;
	if (load.mode == MODE_IDLE)
		run_idle(&load);
	else
		run(&load);
	return 0;
}
