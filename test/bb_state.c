/* bb_state.c - --state-dir: what outlives the program. */
#include "harness.h"

#include <bearssl.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOST "uwt: warning: %s/history: it cannot be saved: "
#define LEAD 12                 /* bytes of a file before its version */
#define RECORD 64
#define SAVE_TIME 50            /* of the server's clocks, for several saves of a test build */

/* --- files, written and read as history.c says, but by other means --- */

static void number_add(struct text *text, uint64_t number, int size)
{
	unsigned char byte;

	for (; size > 0; size--, number >>= 8) {
		byte = (unsigned char)number;
		text_add(text, &byte, 1);
	}
}

/* A step of these minutes that is over, with its numbers made of them. */
static struct text record_made(unsigned minutes)
{
	struct text text = { NULL, 0, 0 };
	unsigned i;

	number_add(&text, ((uint64_t)time(NULL) / 60 - (minutes < 60 ? 20 : 180)) / minutes, 4);
	number_add(&text, 60 * minutes, 4);
	number_add(&text, minutes, 4);
	for (i = 0; i < 9; i++)
		number_add(&text, (1000 + i) * minutes, 4);
	for (i = 9; i < 11; i++)
		number_add(&text, (1000 + i) * minutes, 8);
	CHECK_NUMBER(text.len, RECORD);
	return text;
}

static void digest_of(const char *bytes, size_t len, unsigned char digest[static 20])
{
	br_sha1_context context;

	br_sha1_init(&context);
	br_sha1_update(&context, bytes, len);
	br_sha1_out(&context, digest);
}

static struct text history_made(const struct text records[3])
{
	struct text text = { NULL, 0, 0 };
	unsigned char digest[20];
	size_t i;

	text_add(&text, "uwt history\n", LEAD);
	number_add(&text, 1, 4);
	for (i = 0; i < 3; i++) {
		number_add(&text, 1, 4);
		text_add(&text, records[i].bytes, records[i].len);
	}
	digest_of(text.bytes, text.len, digest);
	text_add(&text, digest, sizeof(digest));
	return text;
}

/* The path of a new folder. */
static char *folder_made(void)
{
	static int count;
	char *path = test_path(format_text("state%d", count++));

	CHECK(mkdir(path, 0755) == 0);
	return path;
}

static char *history_of(const char *folder)
{
	return format_text("%s/history", folder);
}

static bool is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static void put_file(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "wb");

	CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static struct text get_file(const char *path)
{
	struct text text = { NULL, 0, 0 };
	char bytes[65536];
	FILE *file = fopen(path, "rb");
	size_t got;

	if (file == NULL)
		check_failed(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
		text_add(&text, bytes, got);
	(void)fclose(file);
	return text;
}

/* The file is one that a start can read, and alone there. */
static struct text history_check(const char *folder)
{
	struct text text = get_file(history_of(folder));
	unsigned char digest[20];
	struct stat status;

	CHECK(stat(history_of(folder), &status) == 0 && S_ISREG(status.st_mode));
	CHECK_NUMBER(status.st_mode & 0777, 0644);
	CHECK(text.len >= LEAD + 4 + 3 * 4 + 20 && memcmp(text.bytes, "uwt history\n", LEAD) == 0);
	digest_of(text.bytes, text.len - 20, digest);
	CHECK(memcmp(text.bytes + text.len - 20, digest, 20) == 0);
	CHECK(!is_there(format_text("%s/history.new", folder)));
	return text;
}

static bool text_has(const struct text *text, const struct text *part)
{
	size_t at;

	for (at = 0; at + part->len <= text->len; at++)
		if (memcmp(text->bytes + at, part->bytes, part->len) == 0)
			return true;
	return false;
}

/* --- saved histories --- */

struct sample {
	struct text records[3];
};

/* Put a history into a folder. */
static struct sample sample_put(const char *folder)
{
	struct sample sample = { { record_made(1), record_made(5), record_made(60) } };
	struct text file = history_made(sample.records);

	put_file(history_of(folder), file.bytes, file.len);
	return sample;
}

/* What was in that history is in the one that is there. */
static void sample_check(const char *folder, const struct sample *sample)
{
	struct text file = history_check(folder);
	size_t i;

	for (i = 0; i < 3; i++)
		CHECK(text_has(&file, &sample->records[i]));
}

static void serves(struct server *server)
{
	struct id hash = id_hash();
	struct client *client = client_open(server);

	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
	client_close(client);
}

static struct server *state_start(const char *folder)
{
	return server_start(OPTIONS("--state-dir", folder));
}

/* --- tests --- */

static void state_first(void)
{
	char *folder = folder_made();
	struct server *server = state_start(folder);

	CHECK(!is_there(format_text("%s/history.new", folder)));
	serves(server);
	server_end(server);
	(void)history_check(folder);
	server = state_start(folder);
	server_end(server);
	(void)history_check(folder);
}

/* What was saved outlives one run after the other. */
static void state_restarts(void)
{
	char *folder = folder_made();
	struct sample sample = sample_put(folder);
	struct server *server;
	int run;

	for (run = 0; run < 3; run++) {
		test_case("run %d", run);
		server = run == 1 ? server_start(OPTIONS("--state-dir", folder, "--no-sandbox")) :
		    state_start(folder);
		serves(server);
		server_end(server);
		sample_check(folder, &sample);
	}
	CHECK(!is_there(format_text("%s/history.damaged", folder)));
}

/* What was saved is shown, with the gap since. */
static void state_shown(void)
{
	char *folder = folder_made(), *at;
	struct server *server;
	int count = 0;

	(void)sample_put(folder);
	server = state_start(folder);
	at = http_get(server, "/stats/history.json", "").body;
	while ((at = strstr(at, "null,1000,null")) != NULL) {
		at++;
		count++;
	}
	CHECK_NUMBER(count, 3);         /* peers of the hour, the day and the month */
}

/* The end saves what is not there any more: it was not only left as it was. */
static void state_end_saves(void)
{
	char *folder = folder_made();
	struct server *server = state_start(folder);

	server_settle(server);
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, true));
	CHECK(WIFEXITED(server->status) && WEXITSTATUS(server->status) == 0);
	(void)history_check(folder);
}

static void wait_for(const char *path)
{
	double until = time_now() + 5;

	while (!is_there(path)) {
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "%s does not come", path);
		time_wait(0.01);
	}
}

/* Who saves when the program is killed goes on to the end. */
static void saver_wait(const char *folder)
{
	double until = time_now() + 2;

	do
		time_wait(0.05);
	while (is_there(format_text("%s/history.new", folder)) && time_now() < until);
}

/* It is saved while it runs, and a kill at any moment leaves a file that is whole. */
static void state_killed(void)
{
	struct server *server;
	struct sample sample;
	char *folder;
	int i;

	for (i = 0; i < 6; i++) {
		folder = folder_made();
		if (i % 2 != 0)
			sample = sample_put(folder);
		server = state_start(folder);
		if (i % 2 == 0)
			wait_for(history_of(folder));
		else
			time_wait(0.1 * i);
		CHECK(kill(server->pid, SIGKILL) == 0);
		CHECK(server_wait(server, 2, true));
		server->status = 0;
		saver_wait(folder);
		if (i % 2 != 0)
			sample_check(folder, &sample);
		else
			(void)history_check(folder);
		server = state_start(folder);
		server_end(server);
		(void)history_check(folder);
	}
}

/* Start with a file that is wrong: it is set aside, with this warning. */
static void damaged_check(const struct text *file, const char *why)
{
	char *folder = folder_made(), *damaged = format_text("%s/history.damaged", folder);
	struct server *server;
	struct text aside;

	put_file(history_of(folder), file->bytes, file->len);
	put_file(damaged, "an older one", 12);
	server = state_start(folder);
	CHECK_TEXT(server_error(server), format_text("uwt: warning: %s/history: %s: set aside as "
	    "history.damaged", folder, why));
	CHECK(!is_there(history_of(folder)) || history_check(folder).len != 0);
	aside = get_file(damaged);
	CHECK(aside.len == file->len &&
	    (file->len == 0 || memcmp(aside.bytes, file->bytes, file->len) == 0));
	serves(server);
	server_end(server);
	(void)history_check(folder);
}

static void state_damaged(void)
{
	struct text records[3] = { record_made(1), record_made(5), record_made(60) };
	struct text file = history_made(records), bad = file;
	unsigned char digest[20];

	test_case("empty");
	bad.len = 0;
	damaged_check(&bad, "it is no history of uwt");
	test_case("cut");
	bad.len = file.len - 1;
	damaged_check(&bad, "it is damaged");
	test_case("a bit");
	bad.len = file.len;
	bad.bytes[100] ^= 1;
	damaged_check(&bad, "it is damaged");
	bad.bytes[100] ^= 1;
	test_case("another version");
	bad.bytes[LEAD] = 77;
	digest_of(bad.bytes, bad.len - 20, digest);
	memcpy(bad.bytes + bad.len - 20, digest, 20);
	damaged_check(&bad, "it is of another version of uwt");
	test_case("too large");
	bad.bytes = text_repeat("x", 200000);
	bad.len = 200000;
	damaged_check(&bad, "File too large");
}

static void state_damaged_silent(void)
{
	char *folder = folder_made(), *port = format_text("%d", port_free());
	struct server *server;

	put_file(history_of(folder), "damaged", 7);
	server = server_start(OPTIONS("-s", "-p", port, "--state-dir", folder));
	serves(server);
	server_end(server);     /* which finds nothing on stderr */
	(void)history_check(folder);
	CHECK(is_there(format_text("%s/history.damaged", folder)));
}

static void refused(const char *folder, const char *why)
{
	struct outcome outcome = program_run(OPTIONS("-p", "0", "--state-dir", folder));

	CHECK_NUMBER(outcome.status, 1);
	CHECK_TEXT(outcome.out, "");
	CHECK_TEXT(outcome.err, format_text("uwt: --state-dir %s: %s\n", folder, why));
}

static void state_refused(void)
{
	char *folder = folder_made(), *file = test_file("file", "");
	struct outcome outcome;

	refused(test_path("none"), "No such file or directory");
	refused(file, "Not a directory");
	CHECK(chmod(folder, 0555) == 0);
	if (geteuid() != 0)
		refused(folder, "Permission denied");
	CHECK(chmod(folder, 0755) == 0);
	outcome = program_run(OPTIONS("-p", "0", "--state-dir", ""));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.err, "uwt: --state-dir: needs a value\n");
	(void)server_start(OPTIONS("--state-dir", folder));
	refused(folder, "another uwt uses it");
}

/* A folder that is gone is told once, and when it is over; all else goes on. */
static void state_lost(void)
{
	char *folder = folder_made(), *elsewhere = format_text("%s-away", folder);
	struct server *server = state_start(folder);
	struct client *client = client_open(server);

	JOIN(client, id_hash(), id_peer(), "");
	CHECK(rename(folder, elsewhere) == 0);
	CHECK_TEXT(server_error(server), format_text(LOST "No such file or directory", folder));
	time_wait(1.3);         /* it is tried twice meanwhile */
	CHECK_TEXT(server->errors.bytes, "");
	JOIN(client, id_hash(), id_peer(), "");
	CHECK(rename(elsewhere, folder) == 0);
	CHECK_TEXT(server_error(server), format_text("uwt: warning: %s/history: it is saved again",
	    folder));
	(void)history_check(folder);
	JOIN(client, id_hash(), id_peer(), "");
	server_end(server);
}

/* The same where it is there and cannot be written to. Rights are nothing to root. */
static void state_closed(void)
{
	char *folder = folder_made(), *obstacle = format_text("%s/history.new", folder);
	struct server *server = state_start(folder);
	bool root = geteuid() == 0;

	CHECK((root ? mkdir(obstacle, 0755) : chmod(folder, 0555)) == 0);
	CHECK_TEXT(server_error(server), format_text(LOST "%s", folder, root ?
	    "Is a directory" : "Permission denied"));
	time_wait(1.3);
	CHECK_TEXT(server->errors.bytes, "");
	serves(server);
	CHECK((root ? rmdir(obstacle) : chmod(folder, 0755)) == 0);
	CHECK_TEXT(server_error(server), format_text("uwt: warning: %s/history: it is saved again",
	    folder));
	server_end(server);
	(void)history_check(folder);
}

/* At the end it is told too, and nobody waits for it. */
static void state_lost_at_the_end(void)
{
	char *folder = folder_made(), *port = format_text("%d", port_free());
	struct server *server = server_start(OPTIONS("-q", "-p", port, "--state-dir", folder));
	double before;

	server_settle(server);
	CHECK(rmdir(folder) == 0);
	before = time_now();
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, true));
	CHECK_BETWEEN(time_now() - before, 0, 1);
	CHECK_TEXT(server->errors.bytes, format_text(LOST "No such file or directory\n", folder));
	CHECK(WIFEXITED(server->status) && WEXITSTATUS(server->status) == 0);
	server->errors.len = 0;
}

static void state_relative(void)
{
	char *folder = folder_made(), *inner = format_text("%s/inner", folder);
	const char *const names[] = { "inner", "./inner/", ".", "inner/../inner" };
	struct server *server;
	size_t i;

	CHECK(mkdir(inner, 0755) == 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		test_case("%s", names[i]);
		/* The program's own path may be relative too. */
		server = server_start_under(format_text("cd %s && case $1 in /*) : ;; *) "
		    "one=$OLDPWD/$1 && shift && set -- \"$one\" \"$@\" ;; esac", folder),
		    OPTIONS("--state-dir", names[i]));
		serves(server);
		server_end(server);
		(void)history_check(i == 2 ? folder : inner);
		CHECK(unlink(history_of(i == 2 ? folder : inner)) == 0);
	}
}

/* A user without rights there has the file saved by the opener, which kept root's. */
static void state_user(void)
{
	char *folder = folder_made();
	struct sample sample;
	struct server *server;
	struct stat status;
	int run;

	if (geteuid() != 0 || getpwnam("nobody") == NULL)
		test_skip("this is not root's");
	CHECK(chmod(folder, 0700) == 0);
	sample = sample_put(folder);
	for (run = 0; run < 3; run++) {
		/* Leaks are looked for by tracing oneself, which such a process must not. */
		server = server_start_under("ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS",
		    OPTIONS("--user", "nobody", "--state-dir", folder));
		serves(server);
		server_end(server);
		sample_check(folder, &sample);
		CHECK(stat(history_of(folder), &status) == 0 && status.st_uid == 0);
		if (run == 1) {
			CHECK(unlink(history_of(folder)) == 0);
			sample = sample_put(folder);
		}
	}
}

const struct bb_test bb_state[] = {
	TEST(state_first, FITS, 0), TEST(state_restarts, FITS, 0), TEST(state_shown, LARGE, 0),
	TEST(state_end_saves, FITS, 0),
	TEST(state_killed, FITS, SAVE_TIME), TEST(state_damaged, FITS, 0),
	TEST(state_damaged_silent, FITS, 0), TEST(state_refused, FITS, 0),
	TEST(state_lost, FITS, SAVE_TIME), TEST(state_closed, FITS, SAVE_TIME),
	TEST(state_lost_at_the_end, FITS, 0), TEST(state_relative, FITS, 0),
	TEST(state_user, FITS, 0), TESTS_END
};
