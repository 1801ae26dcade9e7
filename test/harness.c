/* harness.c - checks, texts, ids, time, and the server as a child process. */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pem.h"

#define SETTLE_SECONDS 2.0
#define START_SECONDS 10.0
#define OPTIONS_MAX 60
#define STAMP_LENGTH 21        /* 2026-01-31T12:00:00Z and a blank */

/* What this process is about: one test. */
static struct {
	struct settings settings;
	const char *name;
	char note[400];            /* the case tried */
	struct server *servers;
	uint64_t random;
} test;

/* --- checks --- */

static void servers_kill(void)
{
	struct server *server;

	for (server = test.servers; server != NULL; server = server->next)
		if (!server->ended) {
			(void)kill(server->pid, SIGKILL);
			(void)waitpid(server->pid, NULL, 0);
		}
}

static void server_read(struct server *server, double until);

static void servers_show(void)
{
	struct server *server;
	size_t shown;

	for (server = test.servers; server != NULL; server = server->next) {
		if (!server->ended)
			server_read(server, 0);
		if (server->errors.len != 0)
			printf("    stderr: %.4000s\n", server->errors.bytes);
		shown = server->lines.len < 500 ? server->lines.len : 500;
		if (shown != 0)
			printf("    stdout ends: %s\n",
			    text_shown(server->lines.bytes + server->lines.len - shown, shown));
	}
}

void check_failed(const char *file, int line, const char *format, ...)
{
	va_list list;

	printf("  %s:%d: ", file, line);
	va_start(list, format);
	(void)vprintf(format, list);
	va_end(list);
	printf("\n");
	if (test.note[0] != '\0')
		printf("    case: %s\n", test.note);
	servers_show();
	servers_kill();
	fflush(stdout);
	_exit(1);
}

void check_number(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want)
		check_failed(file, line, "%s: got %lld, want %lld", what, got, want);
}

void check_text(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (got == NULL || strcmp(got, want) != 0)
		check_failed(file, line, "%s:\n    got  %s\n    want %s", what,
		    got == NULL ? "nothing" : text_shown(got, strlen(got)),
		    text_shown(want, strlen(want)));
}

void check_between(const char *file, int line, const char *what, double got, double low,
    double high)
{
	if (!(got >= low && got <= high))
		check_failed(file, line, "%s: got %.3f, want %.3f to %.3f", what, got, low, high);
}

void check_contains(const char *file, int line, const char *what, const char *got,
    const char *part)
{
	if (got == NULL || strstr(got, part) == NULL)
		check_failed(file, line, "%s: no `%s` in `%s`", what, part,
		    got == NULL ? "nothing" : text_shown(got, strlen(got)));
}

void check_lacks(const char *file, int line, const char *what, const char *got, const char *part)
{
	if (got == NULL || strstr(got, part) != NULL)
		check_failed(file, line, "%s: `%s` in `%s`", what, part,
		    got == NULL ? "nothing" : text_shown(got, strlen(got)));
}

void test_case(const char *format, ...)
{
	char note[sizeof(test.note) / 4 - 1];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(note, sizeof(note), format, list);
	va_end(list);
	(void)snprintf(test.note, sizeof(test.note), "%s", text_shown(note, strlen(note)));
}

void test_skip(const char *why)
{
	printf("  skipped: %s\n", why);
	servers_kill();
	fflush(stdout);
	_exit(77);
}

bool test_is_tiny(void)
{
	return test.settings.tiny;
}

bool test_is_tls(void)
{
	return test.settings.tls;
}

void test_without_tls(void)
{
	test.settings.tls = false;
}

void test_run(const struct settings *settings, const struct bb_test *chosen)
{
	struct server *server;

	test.settings = *settings;
	test.name = chosen->name;
	test.random = (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid() * 7919u + 1u;
	chosen->run();
	test.note[0] = '\0';
	for (server = test.servers; server != NULL; server = server->next)
		server_end(server);
	fflush(stdout);
	_exit(0);
}

char *test_path(const char *name)
{
	return format_text("%s/%d.%s", test.settings.folder, (int)getpid(), name);
}

char *test_file(const char *name, const char *content)
{
	char *path = test_path(name);
	FILE *file = fopen(path, "w");

	CHECK(file != NULL);
	CHECK(fputs(content, file) >= 0);
	CHECK(fclose(file) == 0);
	return path;
}

void folder_remove(const char *path)
{
	struct dirent *entry;
	char name[1024];
	DIR *folder = opendir(path);

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.' && unlink(name) != 0)
			folder_remove(name);
	}
	if (folder != NULL)
		(void)closedir(folder);
	(void)rmdir(path);
}

static const struct {
	const char *name, *certificate, *key;
} pairs[] = {
	{ "ec", pem_ec_certificate, pem_ec_key },
	{ "renewed", pem_renewed_certificate, pem_renewed_key },
	{ "expired", pem_expired_certificate, pem_expired_key },
	{ "rsa", pem_rsa_certificate, pem_rsa_key }
};

static char *pem_file(const char *name, bool key)
{
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (strcmp(pairs[i].name, name) == 0)
			return test_file(format_text("%s.%s", name, key ? "key" : "pem"),
			    key ? pairs[i].key : pairs[i].certificate);
	check_failed(__FILE__, __LINE__, "no certificate `%s`", name);
}

char *pem_certificate(const char *name)
{
	return pem_file(name, false);
}

char *pem_key(const char *name)
{
	return pem_file(name, true);
}

/* --- texts, ids, time --- */

void text_add(struct text *text, const void *bytes, size_t len)
{
	if (text->len + len + 1 > text->room) {
		text->room = (text->len + len + 1) * 2;
		text->bytes = realloc(text->bytes, text->room);
		if (text->bytes == NULL)
			check_failed(__FILE__, __LINE__, "no memory for the test");
	}
	if (len != 0)
		memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

char *text_quoted(const char *text)
{
	char *quoted = strdup(text), *at;

	CHECK(quoted != NULL);
	for (at = quoted; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	return quoted;
}

static FORMAT(2, 0) void text_vformat(struct text *text, const char *format, va_list list)
{
	char *quoted = text_quoted(format), *at;
	va_list again;
	int len;

	va_copy(again, list);
	len = vsnprintf(NULL, 0, quoted, again);
	va_end(again);
	CHECK(len >= 0);
	at = malloc((size_t)len + 1);
	CHECK(at != NULL);
	(void)vsnprintf(at, (size_t)len + 1, quoted, list);
	text_add(text, at, (size_t)len);
	free(at);
	free(quoted);
}

void text_format(struct text *text, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text_vformat(text, format, list);
	va_end(list);
}

char *format_text(const char *format, ...)
{
	struct text text = { NULL, 0, 0 };
	va_list list;

	va_start(list, format);
	text_vformat(&text, format, list);
	va_end(list);
	return text.bytes;
}

char *text_repeat(const char *piece, size_t times)
{
	struct text text = { NULL, 0, 0 };

	text_add(&text, "", 0);
	while (times-- != 0)
		text_add(&text, piece, strlen(piece));
	return text.bytes;
}

char *text_shown(const char *text, size_t len)
{
	size_t i, shown = len < 600 ? len : 600;
	char *out = malloc(shown * 4 + 64), *at = out;

	if (out == NULL)
		return NULL;
	for (i = 0; i < shown; i++) {
		if (text[i] >= 0x20 && text[i] < 0x7f)
			*at++ = text[i];
		else
			at += sprintf(at, "\\x%02x", (unsigned)(unsigned char)text[i]);
	}
	if (shown < len)
		(void)snprintf(at, 64, "... (%zu bytes)", len);
	else
		*at = '\0';
	return out;
}

uint32_t random_number(void)
{
	test.random ^= test.random << 13;
	test.random ^= test.random >> 7;
	test.random ^= test.random << 17;
	return (uint32_t)(test.random >> 16);
}

static struct id id_random(const char *start)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	struct id id;
	size_t i;

	for (i = 0; start[i] != '\0'; i++)
		id.text[i] = start[i];
	for (; i < 20; i++)
		id.text[i] = letters[random_number() % 36];
	id.text[20] = '\0';
	return id;
}

struct id id_peer(void)
{
	return id_random("-WW0102-");
}

struct id id_hash(void)
{
	return id_random("");
}

struct id id_from(const char *text)
{
	struct id id;

	CHECK(strlen(text) == 20);
	memcpy(id.text, text, 21);
	return id;
}

char *id_hex(struct id id)
{
	struct text text = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < 20; i++)
		text_format(&text, "%02x", (unsigned)(unsigned char)id.text[i]);
	return text.bytes;
}

double time_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void time_wait(double seconds)
{
	struct timespec left = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)
	};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

void clock_wait(double seconds)
{
	time_wait(seconds / test.settings.divisor);
}

double clock_since(double then)
{
	return (time_now() - then) * test.settings.divisor;
}

double clock_slack(void)
{
	return 1 + 0.4 * test.settings.divisor;
}

/* --- starting --- */

static bool option_is(const char *option, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(option, *names) == 0)
			return true;
	return false;
}

static const char *option_value(const char *const *options, const char *const *names)
{
	for (; options != NULL && *options != NULL; options++)
		if (option_is(*options, names))
			return options[1] == NULL ? "" : options[1];
	return NULL;
}

/* Fill in argv: the program, what a test run adds, then the test's own options. */
static void arguments_make(const char **argv, const char *const *options)
{
	static const char *const tiny[][2] = {
		{ "--max-connections", "8" }, { "--max-peers", "16" },
		{ "--max-torrents", "4" }, { "--buffer-memory", "4K" }
	};
	size_t i;

	*argv++ = test.settings.program;
	if (option_value(options, OPTIONS("-p", "--port", "-c", "--config")) == NULL) {
		*argv++ = "-p";
		*argv++ = "0";
	}
	for (i = 0; test.settings.tiny && i < sizeof(tiny) / sizeof(tiny[0]); i++)
		if (option_value(options, OPTIONS(tiny[i][0])) == NULL) {
			*argv++ = tiny[i][0];
			*argv++ = tiny[i][1];
		}
	if (test.settings.tls && option_value(options, OPTIONS("--cert")) == NULL) {
		*argv++ = "--cert";
		*argv++ = pem_certificate("ec");
		*argv++ = "--key";
		*argv++ = pem_key("ec");
	}
	if (test.settings.no_sandbox)
		*argv++ = "--no-sandbox";
	for (i = 0; options != NULL && options[i] != NULL; i++) {
		CHECK(i < OPTIONS_MAX - 20);
		*argv++ = options[i];
	}
	*argv = NULL;
}

/* In the child: become the program. What this process ignores the program must ignore itself. */
static _Noreturn void program_exec(const char *shell, const char *const *argv, int out, int err)
{
	const char *line[OPTIONS_MAX + 4];
	int null = open("/dev/null", O_RDONLY);
	char script[300];
	size_t i;

	(void)signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	(void)close(null);
	if (shell == NULL) {
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)snprintf(script, sizeof(script), "%s && exec \"$@\"", shell);
	line[0] = "sh";
	line[1] = "-c";
	line[2] = script;
	line[3] = "sh";
	for (i = 0; argv[i] != NULL; i++)
		line[i + 4] = argv[i];
	line[i + 4] = NULL;
	(void)execv("/bin/sh", (char *const *)(uintptr_t)line);
	_exit(127);
}

static void pipe_make(int ends[2])
{
	CHECK(pipe(ends) == 0);
	CHECK(fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0);
	CHECK(fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0);
	CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
}

void server_init(struct server *server)
{
	text_add(&server->lines, "", 0);
	text_add(&server->errors, "", 0);
	text_add(&server->limits, "", 0);
	text_add(&server->heard, "", 0);
	server->since = time(NULL);
}

static struct server *program_start(const char *shell, const char *const *argv)
{
	struct server *server = calloc(1, sizeof(*server));
	int out[2], err[2];

	CHECK(server != NULL);
	server_init(server);
	pipe_make(out);
	pipe_make(err);
	fflush(stdout);
	server->pid = fork();
	CHECK(server->pid >= 0);
	if (server->pid == 0)
		program_exec(shell, argv, out[1], err[1]);
	(void)close(out[1]);
	(void)close(err[1]);
	server->out = out[0];
	server->err = err[0];
	server->next = test.servers;
	test.servers = server;
	return server;
}

/* --- its output --- */

/* Take what is there; false when the other end is closed. */
static bool output_take(int *fd, struct text *text)
{
	char bytes[65536];
	ssize_t got;

	while ((got = read(*fd, bytes, sizeof(bytes))) > 0)
		text_add(text, bytes, (size_t)got);
	if (got < 0)
		return true;
	(void)close(*fd);
	*fd = -1;
	return false;
}

time_t stamp_read(const char *line)
{
	static const char form[] = "0000-00-00T00:00:00Z ";
	struct tm parts = { 0 };
	size_t i;

	for (i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == '0' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
			return -1;
	if (sscanf(line, "%d-%d-%dT%d:%d:%d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
	    &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6)
		return -1;
	parts.tm_year -= 1900;
	parts.tm_mon--;
	return timegm(&parts);
}

/* Take off the time before a line of the program's, which must be right. */
static const char *stamp_cut(struct server *server, const char *line)
{
	time_t stamp = stamp_read(line);

	if (stamp != -1) {
		line += STAMP_LENGTH;
		if (stamp < server->since || stamp > time(NULL) || strncmp(line, "uwt: ", 5) != 0)
			check_failed(__FILE__, __LINE__, "not the time: %s", line - STAMP_LENGTH);
		server->stamped++;
	} else if (strncmp(line, "uwt: ", 5) == 0) {
		server->plain++;
	}
	return line;
}

/* Sort what came on stderr, in whole lines. */
static void errors_judge(struct server *server)
{
	static const char limit[] = "uwt: warning: limit met: ";
	static const char wait[] = "uwt: warning: connections wait to be accepted: ";
	const char *line, *end;
	bool met;

	for (;;) {
		line = server->heard.bytes + server->judged;
		end = strchr(line, '\n');
		if (end == NULL)
			return;
		server->judged += (size_t)(end - line) + 1;
		line = stamp_cut(server, line);
		met = strncmp(line, limit, sizeof(limit) - 1) == 0 ||
		    strncmp(line, wait, sizeof(wait) - 1) == 0;
		text_add(met ? &server->limits : &server->errors, line, (size_t)(end - line) + 1);
	}
}

bool server_complains(struct server *server)
{
	struct text *heard = &server->heard;

	if (server->err >= 0 && !output_take(&server->err, heard) && heard->len > 0 &&
	    heard->bytes[heard->len - 1] != '\n')
		text_add(heard, "\n", 1);
	errors_judge(server);
	return server->errors.len > 0;
}

/* Read stdout and stderr, waiting for more until that moment or until something came. */
static void server_read(struct server *server, double until)
{
	struct pollfd ready[2] = {
		{ .fd = server->out, .events = POLLIN }, { .fd = server->err, .events = POLLIN }
	};
	double left = until - time_now();

	if (server->out < 0 && server->err < 0) {
		if (left > 0)
			time_wait(left < 0.005 ? left : 0.005);
		return;
	}
	(void)poll(ready, 2, left > 0 ? (int)(left * 1000) + 1 : 0);
	if (server->out >= 0)
		(void)output_take(&server->out, &server->lines);
	(void)server_complains(server);
}

char *server_line(struct server *server, double seconds)
{
	double until = time_now() + seconds;
	char *start, *end, *line;

	for (;;) {
		start = server->lines.bytes + server->line;
		end = strchr(start, '\n');
		if (end != NULL)
			break;
		if (server->out < 0 || (seconds > 0 && time_now() >= until))
			return NULL;
		server_read(server, until);
		if (seconds <= 0 && strchr(server->lines.bytes + server->line, '\n') == NULL)
			return NULL;
	}
	line = strdup(start);
	CHECK(line != NULL);
	line[end - start] = '\0';
	server->line += (size_t)(end - start) + 1;
	return line;
}

char *server_event(struct server *server, double seconds)
{
	static const char *const starts[] = {
		"start: ", "complete: ", "update: ", "stop: ", "WARNING: "
	};
	char *line;
	size_t i;

	while ((line = server_line(server, seconds)) != NULL)
		for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			if (strncmp(line, starts[i], strlen(starts[i])) == 0)
				return line;
	return strdup("none");
}

char *server_error(struct server *server)
{
	double until = time_now() + 3;
	char *end;

	while ((end = strchr(server->errors.bytes, '\n')) == NULL) {
		if (time_now() >= until)
			return strdup("none");
		(void)server_line(server, 0.01);
	}
	*end = '\0';
	server->errors.len = 0;
	CHECK_TEXT(end + 1, "");
	end = strdup(server->errors.bytes);
	server->errors.bytes[0] = '\0';
	return end;
}

/* --- its life --- */

long server_descriptors(const struct server *server)
{
	char path[64];
	struct dirent *entry;
	long count = 0;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)server->pid);
	folder = opendir(path);
	if (folder == NULL)
		return -1;
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	(void)closedir(folder);
	return count;
}

long server_memory(const struct server *server)
{
	char path[64], line[256];
	long kilobytes = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
	file = fopen(path, "r");
	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kilobytes) == 1)
			break;
	(void)fclose(file);
	return kilobytes;
}

/* A server that prints nothing is up when its port, which must be given, is open. */
static void server_quiet_wait(struct server *server, const char *port)
{
	double until = time_now() + START_SECONDS;
	struct client *client;

	server->port = port == NULL ? 0 : atoi(port);
	while ((client = client_try(server, server->family, 0)) == NULL) {
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "the server did not start");
		time_wait(0.01);
	}
	server->clients = NULL;
	client_close(client);
}

static void server_address(struct server *server, const char *const *options)
{
	static const char listening[] = "server listening on ";
	const char *host = option_value(options, OPTIONS("-H", "--host"));
	char *line;

	server->family = AF_INET;
	if (host != NULL && strncmp(host, "unix:", 5) == 0) {
		CHECK(strlen(host + 5) < sizeof(server->path));
		memcpy(server->path, host + 5, strlen(host + 5) + 1);
		server->family = AF_UNIX;
	} else if (host != NULL && strchr(host, ':') != NULL) {
		server->family = AF_INET6;
	}
	if (option_value(options, OPTIONS("-q", "--quiet", "-s", "--silent")) != NULL) {
		server_quiet_wait(server, option_value(options, OPTIONS("-p", "--port")));
		return;
	}
	line = server_line(server, START_SECONDS);
	if (line == NULL || strncmp(line, listening, sizeof(listening) - 1) != 0)
		check_failed(__FILE__, __LINE__, "the server did not start: `%s`",
		    line == NULL ? "no line" : line);
	server->port = atoi(line + sizeof(listening) - 1);
}

struct server *server_start_under(const char *shell, const char *const *options)
{
	const char *argv[OPTIONS_MAX];
	struct server *server;

	arguments_make(argv, options);
	server = program_start(shell, argv);
	server_address(server, options);
	server->stats = option_value(options, OPTIONS("--no-stats")) == NULL;
	server->descriptors = server_descriptors(server);
	return server;
}

struct server *server_start(const char *const *options)
{
	return server_start_under(NULL, options);
}

bool server_wait(struct server *server, double seconds, bool read_output)
{
	double until = time_now() + seconds;
	pid_t got;

	while (!server->ended) {
		got = waitpid(server->pid, &server->status, WNOHANG);
		CHECK(got >= 0);
		server->ended = got == server->pid;
		if (!server->ended && time_now() >= until)
			return false;
		if (read_output)
			server_read(server, server->ended ? 0 : time_now() + 0.005);
		else if (!server->ended)
			time_wait(0.005);
	}
	if (read_output)
		server_read(server, 0);
	return true;
}

struct outcome program_run(const char *const *options)
{
	const char *argv[OPTIONS_MAX];
	struct outcome outcome;
	struct server *server;
	size_t i;

	argv[0] = test.settings.program;
	for (i = 0; options != NULL && options[i] != NULL && i < OPTIONS_MAX - 2; i++)
		argv[i + 1] = options[i];
	argv[i + 1] = NULL;
	server = program_start(NULL, argv);
	outcome.status = -1;
	if (server_wait(server, 5, true) && WIFEXITED(server->status))
		outcome.status = WEXITSTATUS(server->status);
	else if (!server->ended)
		(void)kill(server->pid, SIGKILL);
	(void)server_wait(server, 5, true);
	CHECK_NUMBER(outcome.status == 1 ? server->plain : server->stamped, 0);
	outcome.out = server->lines.bytes;
	outcome.err = server->errors.bytes;
	test.servers = server->next;
	return outcome;
}

/* --- its end --- */

long server_stat(struct server *server, const char *key)
{
	struct reply reply = http_get(server, "/stats.json", "");

	CHECK_NUMBER(reply.status, 200);
	return json_number(reply.body, key);
}

/* What is still in use, as `key is N`; NULL when nothing is. */
static char *server_unsettled(struct server *server)
{
	static const struct {
		const char *key;
		long rest;
		bool known;   /* must be there */
	} counts[] = {
		{ "peersAll", 0, true }, { "torrents", 0, true }, { "activeTorrents", 0, true },
		{ "connections", 1, false }, { "buffersInUse", 0, false }
	};
	struct reply reply;
	size_t i;
	long got;

	if (!server->stats)
		return NULL;
	reply = http_get(server, "/stats.json", "");
	if (reply.status != 200)
		return format_text("/stats.json answers %d", reply.status);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		got = json_number(reply.body, counts[i].key);
		if (got != counts[i].rest && (got != -1 || counts[i].known))
			return format_text("%s is %ld", counts[i].key, got);
	}
	return NULL;
}

void server_settle(struct server *server)
{
	double until = time_now() + SETTLE_SECONDS;
	struct client *client;
	char *why;
	int tries;

	for (client = server->clients; client != NULL; client = client->next)
		client_close(client);
	server->ticker = NULL;
	for (;;) {
		why = server_unsettled(server);
		/* The connection that has just asked may not be closed yet. */
		for (tries = 0; tries < 10 && why == NULL &&
		    server_descriptors(server) != server->descriptors; tries++)
			time_wait(0.002);
		if (why == NULL && server_descriptors(server) != server->descriptors)
			why = format_text("%ld descriptors are open, %ld at start",
			    server_descriptors(server), server->descriptors);
		if (why == NULL)
			return;
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "when all have left: %s", why);
		time_wait(0.01);
	}
}

/* On a machine without IPv6 the program may say that once. */
static bool errors_allowed(const struct server *server)
{
	const char *end = strchr(server->errors.bytes, '\n');

	if (server->errors.len == 0)
		return true;
	return !machine_has_ipv6() && end != NULL && end[1] == '\0' &&
	    strstr(server->errors.bytes, "IPv6") != NULL;
}

void server_end(struct server *server)
{
	if (!server->ended) {
		server_settle(server);
		CHECK(kill(server->pid, SIGTERM) == 0);
		if (!server_wait(server, 2, true))
			check_failed(__FILE__, __LINE__, "SIGTERM did not end it");
	}
	server_read(server, 0);
	if (!WIFEXITED(server->status) || WEXITSTATUS(server->status) != 0)
		check_failed(__FILE__, __LINE__, "the server ended with %s %d",
		    WIFEXITED(server->status) ? "status" : "signal",
		    WIFEXITED(server->status) ? WEXITSTATUS(server->status) :
		    WTERMSIG(server->status));
	CHECK_NUMBER(server->plain, 0);
	if (!errors_allowed(server))
		check_failed(__FILE__, __LINE__, "stderr is not empty");
}

void server_turn(struct server *server)
{
	if (server->ticker == NULL)
		server->ticker = client_open(server);
	SILENT(server->ticker);
}

/* --- the machine --- */

int port_free(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	address.sin_addr.s_addr = htonl(INADDR_ANY);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

bool machine_has_ipv6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has;

	if (fd < 0)
		return false;
	address.sin6_addr.s6_addr[15] = 1;
	has = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	(void)close(fd);
	return has;
}
