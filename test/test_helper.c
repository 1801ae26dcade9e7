/*
 * test_helper.c - a process that takes lines and gives lines: real small commands, real time but
 * for what helper.h counts in seconds, for which the tests' clock jumps.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../helper.h"
#include "../opener.h"
#include "../sandbox.h"

#define PATIENCE 10000          /* ms that anything may take here */
#define TURN_MAX 2000           /* ms that a turn may take on a busy machine */
#define KEPT 64                 /* lines that are kept */
#define ECHO "while read -r line; do echo \"$line\"; done"

static struct opener opener;
static struct helper helper;
static uint64_t skew;           /* ms that the clock has jumped */

/* What came. */
static struct {
	unsigned lines, started, ended;
	char kept[KEPT][64];
	size_t longest;
	char why[128];
	const char *object;         /* to every line, if not NULL */
	bool answer;                /* each line that begins with a digit by one more digit */
} got;

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000 + skew;
}

static const char *take_line(void *context, const char *line, size_t length)
{
	CHECK(context == &got);
	if (got.lines < KEPT)
		snprintf(got.kept[got.lines], sizeof got.kept[0], "%.*s", (int)length, line);
	got.lines++;
	if (length > got.longest)
		got.longest = length;
	if (got.answer && length > 0 && length < 10)
		CHECK(helper_send(&helper, "1234567890", length + 1));
	return got.object;
}

static void take_start(void *context)
{
	CHECK(context == &got && helper_runs(&helper) && helper_descriptor(&helper) >= 0);
	got.started++;
}

static void take_end(void *context, const char *why)
{
	CHECK(context == &got && !helper_runs(&helper) && helper_descriptor(&helper) == -1);
	CHECK(!helper_send(&helper, "x", 1));
	got.ended++;
	snprintf(got.why, sizeof got.why, "%s", why);
}

static const struct helper_calls calls = { &got, take_line, take_start, take_end };

static void begin(const char *command)
{
	struct opener_names names = { .commands = { "exit 3", command }, .command_count = 2 };

	memset(&got, 0, sizeof got);
	memset(&helper, 0xa5, sizeof helper);
	CHECK(opener_start(&opener, &names));
	helper_init(&helper, &opener, 1, &calls);
	CHECK(helper_descriptor(&helper) == -1 && helper_due(&helper) <= clock_ms());
	CHECK(!helper_runs(&helper));
}

static void finish(void)
{
	helper_end(&helper);
	CHECK(helper_descriptor(&helper) == -1 && helper_due(&helper) == UINT64_MAX);
	CHECK(!helper_runs(&helper) && !helper_send(&helper, "x", 1));
	helper_turn(&helper, clock_ms() + 1000000);
	CHECK(helper_descriptor(&helper) == -1);
	opener_end(&opener);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* A turn of a program's loop that has nothing else to do. */
static void loop_turn(void)
{
	struct pollfd waited = { helper_descriptor(&helper), helper_interest(&helper), 0 };
	uint64_t now = clock_ms(), due = helper_due(&helper);

	CHECK(waited.fd >= 0 || due != UINT64_MAX);
	poll(&waited, 1, due <= now ? 0 : due - now < 20 ? (int)(due - now) : 20);
	now = clock_ms();
	helper_turn(&helper, now);
	CHECK(clock_ms() - now < TURN_MAX);
}

/* Turn until this holds; false if it does not for too long. */
#define TURN_UNTIL(what) \
	do { \
		uint64_t limit = clock_ms() + PATIENCE; \
		while (!(what) && clock_ms() < limit) \
			loop_turn(); \
		CHECK(what); \
	} while (0)

static void turn_for(uint64_t ms)
{
	uint64_t until = clock_ms() + ms;

	while (clock_ms() < until)
		loop_turn();
}

static void say(const char *line)
{
	CHECK(helper_send(&helper, line, strlen(line)));
}

static bool kept(unsigned number, const char *line)
{
	return number < got.lines && number < KEPT && strcmp(got.kept[number], line) == 0;
}

static bool is_gone(pid_t pid)
{
	uint64_t until = clock_ms() + PATIENCE;

	while (kill(pid, 0) == 0 && clock_ms() < until)
		poll(NULL, 0, 5);
	return pid > 0 && kill(pid, 0) == -1 && errno == ESRCH;
}

/* -- lines ---------------------------------------------------------------------------------- */

static void lines_go_and_come(void)
{
	begin(ECHO);
	CHECK(!helper_send(&helper, "early", 5));
	CHECK(helper.dropped == 1 && helper.lost == 1);
	TURN_UNTIL(got.started == 1);
	CHECK(helper_interest(&helper) == POLLIN && helper.starts == 1);
	say("one");
	say("two three");
	CHECK(helper.dropped == 0 && helper.lost == 1);
	CHECK(helper_interest(&helper) == (POLLIN | POLLOUT));
	TURN_UNTIL(got.lines == 2);
	CHECK(kept(0, "one") && kept(1, "two three"));
	CHECK(helper_interest(&helper) == POLLIN && helper_due(&helper) == UINT64_MAX);
	say("");
	TURN_UNTIL(got.lines == 3);
	CHECK(kept(2, "") && got.ended == 0);
	finish();
	CHECK(got.started == 1 && got.ended == 0);
}

static void lines_may_be_cut(void)
{
	begin("printf 'a\\nb\\n\\nh'; sleep 0.1; printf al; sleep 0.1; printf 'f\\nno end'");
	TURN_UNTIL(got.ended == 1);
	CHECK(got.lines == 4 && kept(0, "a") && kept(1, "b") && kept(2, "") && kept(3, "half"));
	CHECK(strcmp(got.why, "it has ended") == 0);
	skew += HELPER_RESTART_MIN;
	TURN_UNTIL(got.started == 2);
	TURN_UNTIL(got.lines == 8);         /* nothing of the line before is left */
	CHECK(kept(4, "a"));
	finish();
}

static void lines_may_be_sent_from_a_line(void)
{
	begin(ECHO);
	TURN_UNTIL(got.started == 1);
	got.answer = true;
	say("1");
	TURN_UNTIL(got.lines == 10);
	CHECK(kept(9, "1234567890"));
	finish();
}

/* More than there is room for, all the time: what was taken arrives whole and in order. */
static void many_lines_keep_their_order(void)
{
	unsigned number = 1, refused = 0;
	char line[128];
	int length;

	begin("sleep 0.2; head -n 40000 | "
	    "awk '$1 != NR { print \"wrong\", NR; exit } END { print NR }'; exec sleep 100");
	TURN_UNTIL(got.started == 1);
	while (number <= 40000 && got.lines == 0) {
		length = snprintf(line, sizeof line, "%u %0*u", number, (int)(number % 97 + 1), 7);
		if (helper_send(&helper, line, (size_t)length)) {
			number++;
			continue;
		}
		CHECK(helper.out_length > HELPER_QUEUE_SIZE - sizeof line);
		refused++;
		loop_turn();
	}
	TURN_UNTIL(got.lines > 0);
	CHECK(kept(0, "40000"));
	CHECK(refused > 0);
	CHECK(helper.lost == refused && helper.dropped == 0);
	finish();
}

static void lines_have_a_bound(void)
{
	begin("head -c 65536 /dev/zero | tr '\\0' a; echo; echo b; head -c 65537 /dev/zero | "
	    "tr '\\0' a; exec sleep 100");
	TURN_UNTIL(got.ended == 1);
	CHECK(got.lines == 2 && got.longest == HELPER_LINE_MAX && kept(1, "b"));
	CHECK(strcmp(got.why, "it sent a line of over 65536 bytes") == 0);
	finish();
}

/* A line of the queue's size fits with its newline, one more byte never does. */
static void the_queue_has_a_bound(void)
{
	static char line[HELPER_QUEUE_SIZE];

	memset(line, 'a', sizeof line);
	begin("head -c 262143 | tr -d a | wc -c; exec sleep 100");
	TURN_UNTIL(got.started == 1);
	CHECK(!helper_send(&helper, line, HELPER_QUEUE_SIZE));
	CHECK(helper_send(&helper, line, HELPER_QUEUE_SIZE - 1));
	TURN_UNTIL(got.lines == 1);
	CHECK(atoi(got.kept[0]) == 0);
	CHECK(helper.dropped == 0 && helper.lost == 1);
	finish();
}

/* -- faults --------------------------------------------------------------------------------- */

/* Whatever it writes, it is ended and started again. */
static void garbage_ends_it(void)
{
	static const char *const commands[][2] = {
		{ "echo $$; printf 'a\\000b\\n'; exec sleep 100", "it sent a line with a NUL" },
		{ "echo $$; printf '\\000\\n'; exec sleep 100", "it sent a line with a NUL" },
		{ "echo $$; printf 'a\\377b\\n'; exec sleep 100",
		    "it sent a line that is not UTF-8" },
		{ "echo $$; printf '\\300\\200\\n'; exec sleep 100",
		    "it sent a line that is not UTF-8" },
		{ "echo $$; printf '\\342\\202\\n\\254\\n'; exec sleep 100",
		    "it sent a line that is not UTF-8" },
		{ "echo $$; head -c 1000000 /dev/zero 2>/dev/null; exec sleep 100",
		    "it sent a line of over 65536 bytes" }
	};
	size_t i;

	for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		begin(commands[i][0]);
		TURN_UNTIL(got.ended == 1);
		CHECK(strcmp(got.why, commands[i][1]) == 0);
		CHECK(got.lines == 1 && got.started == 1);
		CHECK(is_gone((pid_t)atoi(got.kept[0])));
		skew += HELPER_RESTART_MIN;
		TURN_UNTIL(got.started == 2);
		TURN_UNTIL(got.ended == 2);
		CHECK(got.lines == 2);
		finish();
	}
}

static void an_objection_ends_it(void)
{
	begin("echo $$; echo two; exec sleep 100");
	got.object = "it sent nonsense";
	TURN_UNTIL(got.ended == 1);
	CHECK(got.lines == 1 && strcmp(got.why, "it sent nonsense") == 0);
	CHECK(is_gone((pid_t)atoi(got.kept[0])));
	got.object = NULL;
	skew += HELPER_RESTART_MIN;
	TURN_UNTIL(got.lines == 3);
	CHECK(kept(2, "two") && got.ended == 1);
	finish();
}

/* One that writes without end gets its turn, and no more. */
static void a_flood_stops_nobody(void)
{
	unsigned before, i;

	begin("exec yes 2>/dev/null");
	TURN_UNTIL(got.started == 1);
	for (i = 0; i < 10; i++) {
		before = got.lines;
		poll(NULL, 0, 20);      /* it fills what there is between the two */
		loop_turn();
		CHECK(got.lines - before <= HELPER_LINE_MAX + 2);
	}
	TURN_UNTIL(got.lines > 100000);
	CHECK(kept(KEPT - 1, "y") && got.ended == 0);
	helper_fail(&helper, clock_ms(), "it talks too much");
	CHECK(got.ended == 1 && strcmp(got.why, "it talks too much") == 0);
	CHECK(helper_due(&helper) > clock_ms());
	helper_fail(&helper, clock_ms(), "again");
	CHECK(got.ended == 1);
	finish();
}

/* One that reads nothing: so much is kept for it, and the rest is lost with a count. */
static void a_hanging_one_stops_nobody(void)
{
	unsigned taken = 0, refused = 0;
	uint64_t began;

	begin("trap '' TERM; echo $$; while :; do sleep 1; done");
	TURN_UNTIL(got.lines == 1);
	began = clock_ms();
	while (refused < 1000) {
		if (helper_send(&helper, "0123456789", 10))
			taken++;
		else
			refused++;
	}
	CHECK(clock_ms() - began < TURN_MAX);
	CHECK(taken >= HELPER_QUEUE_SIZE / 11);
	CHECK(helper.dropped == 1000 && helper.lost == 1000);
	turn_for(50);
	CHECK(helper_runs(&helper) && got.ended == 0);
	helper_fail(&helper, clock_ms(), "it does not answer");
	CHECK(helper.dropped >= 1000 + HELPER_QUEUE_SIZE / 11 - 1);
	CHECK(helper.lost == helper.dropped && helper.lost <= 1000 + taken);
	CHECK(is_gone((pid_t)atoi(got.kept[0])));
	skew += HELPER_RESTART_MIN;
	TURN_UNTIL(got.lines == 2);
	CHECK(helper_interest(&helper) == POLLIN);
	say("x");
	CHECK(helper.dropped == 0 && helper.lost > 1000);
	finish();
}

/* Its input is the socket that its output is too, so that it may close either. */
static void it_may_close_its_input(void)
{
	begin("exec <&-; echo closed; exec sleep 100");
	TURN_UNTIL(got.lines == 1);
	say("nobody reads this");
	turn_for(50);
	CHECK(helper_runs(&helper) && got.ended == 0);
	finish();
}

static void it_may_close_both(void)
{
	begin("echo $$; exec <&- >&-; exec sleep 100");
	TURN_UNTIL(got.ended == 1);
	CHECK(strcmp(got.why, "it has ended") == 0);
	CHECK(is_gone((pid_t)atoi(got.kept[0])));
	finish();
}

/* That nobody reads any more may show where a line is sent, too. */
static void a_send_may_find_its_end(void)
{
	pid_t pid;

	begin("echo $$; exec sleep 100");
	TURN_UNTIL(got.lines == 1);
	pid = (pid_t)atoi(got.kept[0]);
	while (helper_send(&helper, "0123456789", 10))
		continue;
	CHECK(kill(pid, SIGKILL) == 0 && is_gone(pid));
	CHECK(helper_runs(&helper) && helper_due(&helper) == UINT64_MAX);
	CHECK(!helper_send(&helper, "0123456789", 10));
	CHECK(!helper_runs(&helper) && helper_due(&helper) == 0 && got.ended == 0);
	helper_turn(&helper, clock_ms());
	CHECK(got.ended == 1 && helper_due(&helper) > clock_ms());
	skew += HELPER_RESTART_MIN;
	TURN_UNTIL(got.started == 2);
	finish();
}

/* -- restarts ------------------------------------------------------------------------------- */

/* Let the time of the next start come, and see that it does not come before. */
static void wait_for_start(uint64_t delay)
{
	uint64_t ended = helper.since;

	CHECK(helper_due(&helper) == ended + delay);
	helper_turn(&helper, ended + delay - 1);
	CHECK(helper_due(&helper) == ended + delay);
	skew += ended + delay - clock_ms();
}

static void restarts_take_longer_each_time(void)
{
	static const uint64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	unsigned i;

	begin("exit 1");
	for (i = 0; i < sizeof delays / sizeof delays[0]; i++) {
		TURN_UNTIL(got.ended == i + 1);
		CHECK(got.started == i + 1 && helper.starts == i + 1);
		wait_for_start(delays[i]);
	}
	finish();
}

static void a_long_life_is_rewarded(void)
{
	begin(ECHO);
	TURN_UNTIL(got.started == 1);
	helper_fail(&helper, clock_ms(), "first");
	wait_for_start(1000);
	TURN_UNTIL(got.started == 2);
	helper_fail(&helper, helper.since + HELPER_RESTART_MAX - 1, "second");
	wait_for_start(2000);
	TURN_UNTIL(got.started == 3);
	helper_fail(&helper, helper.since + HELPER_RESTART_MAX, "third");
	wait_for_start(1000);
	TURN_UNTIL(got.started == 4);
	say("still there");
	TURN_UNTIL(got.lines == 1);
	finish();
}

static void what_cannot_be_run_is_tried_again(void)
{
	begin("exec 2>/dev/null; exec /no-such-command-here");
	TURN_UNTIL(got.ended == 1);
	CHECK(strcmp(got.why, "it has ended") == 0);
	wait_for_start(1000);
	TURN_UNTIL(got.ended == 2);
	finish();
}

/* Without the opener there are no helpers, but nothing else happens. */
static void the_opener_may_end(void)
{
	begin(ECHO);
	TURN_UNTIL(got.started == 1);
	CHECK(kill(opener.pid, SIGKILL) == 0);
	say("it lives");
	TURN_UNTIL(got.lines == 1);
	helper_fail(&helper, clock_ms(), "ended");
	wait_for_start(1000);
	TURN_UNTIL(got.ended == 2);
	CHECK(strcmp(got.why, "the process that starts it has ended") == 0);
	wait_for_start(2000);
	TURN_UNTIL(got.ended == 3);
	CHECK(got.started == 1);
	finish();
}

static void the_opener_may_hang(void)
{
	begin(ECHO);
	CHECK(kill(opener.pid, SIGSTOP) == 0);
	loop_turn();
	turn_for(50);
	CHECK(got.started == 0 && got.ended == 0 && helper_descriptor(&helper) == -1);
	skew += HELPER_START_MAX;
	TURN_UNTIL(got.ended == 1);
	CHECK(strcmp(got.why, "the process that starts it does not answer") == 0);
	CHECK(kill(opener.pid, SIGCONT) == 0);
	wait_for_start(1000);
	TURN_UNTIL(got.started == 1);
	say("it lives");
	TURN_UNTIL(got.lines == 1);
	finish();
}

/* A command that the opener does not know. */
static void starts_may_be_refused(void)
{
	begin(ECHO);
	helper_init(&helper, &opener, OPENER_COMMANDS_MAX - 1, &calls);
	TURN_UNTIL(got.ended == 1);
	CHECK(strcmp(got.why, strerror(EINVAL)) == 0 && got.started == 0);
	finish();
	begin(ECHO);
	helper_init(&helper, &opener, OPENER_COMMANDS_MAX, &calls);
	TURN_UNTIL(got.ended == 1);
	finish();
}

/* What was sent before the end arrives. */
static void the_end_is_seen(void)
{
	char path[] = "/tmp/test_helper-XXXXXX", command[128], text[16] = "";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	snprintf(command, sizeof command, "echo; cat >%s", path);
	begin(command);
	TURN_UNTIL(got.lines == 1);
	say("one");
	say("two");
	finish();
	CHECK(read(fd, text, sizeof text - 1) == 8 && strcmp(text, "one\ntwo\n") == 0);
	close(fd);
	unlink(path);
}

/* All of it after rights were given up: starting, speaking, ending, starting again. */
static void in_the_sandbox(void)
{
	begin("echo $$; " ECHO);
	CHECK(sandbox_enter());
	TURN_UNTIL(got.lines == 1);
	say("one");
	TURN_UNTIL(got.lines == 2);
	CHECK(kept(1, "one"));
	helper_fail(&helper, clock_ms(), "at fault");
	wait_for_start(1000);
	TURN_UNTIL(got.lines == 3);
	CHECK(got.started == 2 && strcmp(got.kept[0], got.kept[2]) != 0);
	finish();
}

static void it_works_in_the_sandbox(void)
{
	unsigned char bad = 1;
	int ends[2];
	pid_t pid;

	if (sandbox_name() == NULL) {
		printf("skipped, as there is no sandbox: a helper of a program in it\n");
		return;
	}
	CHECK(pipe(ends) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		test_bad = 0;
		in_the_sandbox();
		fflush(stdout);
		bad = test_bad != 0;
		/* What a sanitizer does at an exit is not for a sandbox. */
		while (write(ends[1], &bad, 1) == 1)
			poll(NULL, 0, PATIENCE);
	}
	close(ends[1]);
	CHECK(read(ends[0], &bad, 1) == 1 && bad == 0);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	close(ends[0]);
}

int main(void)
{
	RUN(lines_go_and_come);
	RUN(lines_may_be_cut);
	RUN(lines_may_be_sent_from_a_line);
	RUN(many_lines_keep_their_order);
	RUN(lines_have_a_bound);
	RUN(the_queue_has_a_bound);
	RUN(garbage_ends_it);
	RUN(an_objection_ends_it);
	RUN(a_flood_stops_nobody);
	RUN(a_hanging_one_stops_nobody);
	RUN(it_may_close_its_input);
	RUN(it_may_close_both);
	RUN(a_send_may_find_its_end);
	RUN(restarts_take_longer_each_time);
	RUN(a_long_life_is_rewarded);
	RUN(what_cannot_be_run_is_tried_again);
	RUN(the_opener_may_end);
	RUN(the_opener_may_hang);
	RUN(starts_may_be_refused);
	RUN(the_end_is_seen);
	RUN(it_works_in_the_sandbox);
	return test_end();
}
