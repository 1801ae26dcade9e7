/*
 * blackbox.c - run the black-box tests against the real program.
 *
 * blackbox [-t DIVISOR] [--tiny] [--tls] [--no-sandbox] [--list] PROGRAM [NAME-PREFIX...]
 *
 * -t says how much faster the program's clocks run (a test build); tests that would take
 * long are left out with 1. With --tiny the program gets tables so small that only some tests fit;
 * with --tls, a certificate, and the tests' clients speak TLS; with --no-sandbox, that option.
 * Each test is a process; several run at once. What a test prints is shown only if it failed.
 */
#include "harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TESTS_MAX 1000
#define BUSY_MAX 6            /* tests at once that compute */
#define WAITING_MAX 24        /* tests at once that mostly wait */
#define TEST_SECONDS 60.0     /* until a test is ended */
#define WAIT_SECONDS 10.0     /* longest wait of a test worth having */
#define SKIPPED 77

struct job {
	const struct bb_test *test;
	pid_t pid;          /* 0: none runs */
	FILE *output;
	double started;
};

struct run {
	struct settings settings;
	const struct bb_test *chosen[TESTS_MAX];
	size_t count;
	struct job jobs[BUSY_MAX + WAITING_MAX];
	int passed, failed, skipped;
};

static volatile sig_atomic_t run_stopped;

static void run_stop(int signal_number)
{
	(void)signal_number;
	run_stopped = 1;
}

static bool test_waits(const struct run *run, const struct bb_test *test)
{
	return test->seconds / run->settings.divisor > 0.5;
}

static bool test_suits(const struct run *run, const struct bb_test *test, char **prefixes)
{
	double limit = run->settings.divisor > 1 ? WAIT_SECONDS : WAIT_SECONDS / 2;
	unsigned fits = run->settings.tls ? FITS : FITS | FITS_PLAIN;

	if (run->settings.tiny && !(test->where & fits))
		return false;
	if (test->where & (run->settings.tls ? PLAIN : TLS))
		return false;
	if (test->where & SANDBOX && run->settings.no_sandbox)
		return false;
	if (test->seconds / run->settings.divisor > limit)
		return false;
	if (*prefixes == NULL)
		return true;
	for (; *prefixes != NULL; prefixes++)
		if (strncmp(test->name, *prefixes, strlen(*prefixes)) == 0)
			return true;
	return false;
}

/* Longest waits first, so that they pass while the others run. */
static int test_compare(const void *left, const void *right)
{
	const struct bb_test *a = *(const struct bb_test *const *)left;
	const struct bb_test *b = *(const struct bb_test *const *)right;

	if (a->seconds < b->seconds)
		return 1;
	if (a->seconds > b->seconds)
		return -1;
	return strcmp(a->name, b->name);
}

static void run_choose(struct run *run, char **prefixes)
{
	static const struct bb_test *const groups[] = {
		bb_handshake, bb_frames, bb_cuts, bb_announce, bb_strings, bb_offers, bb_answers,
		bb_owner, bb_scrape, bb_http, bb_stats, bb_options, bb_config, bb_output,
		bb_signals, bb_limits, bb_proxy, bb_time, bb_load, bb_tls, bb_conformance,
		bb_sandbox, bb_gate, bb_metrics, bb_log, bb_state
	};
	const struct bb_test *test;
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (test = groups[i]; test->name != NULL; test++)
			if (test_suits(run, test, prefixes)) {
				if (run->count == TESTS_MAX)
					abort();
				run->chosen[run->count++] = test;
			}
	qsort(run->chosen, run->count, sizeof(run->chosen[0]), test_compare);
}

static void job_start(struct run *run, struct job *job, const struct bb_test *test)
{
	job->test = test;
	job->started = time_now();
	job->output = tmpfile();
	if (job->output == NULL) {
		perror("blackbox: tmpfile");
		exit(2);
	}
	fflush(stdout);
	job->pid = fork();
	if (job->pid < 0) {
		perror("blackbox: fork");
		exit(2);
	}
	if (job->pid > 0) {
		(void)setpgid(job->pid, job->pid);
		return;
	}
	(void)setpgid(0, 0);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (dup2(fileno(job->output), 1) < 0 || dup2(fileno(job->output), 2) < 0)
		_exit(2);
	(void)fclose(job->output);
	test_run(&run->settings, test);
}

static void job_print(struct job *job)
{
	char bytes[4096];
	size_t got;

	rewind(job->output);
	while ((got = fread(bytes, 1, sizeof(bytes), job->output)) != 0)
		(void)fwrite(bytes, 1, got, stdout);
}

/* How many a test that passed counts for: it may say `cases: N`. */
static int job_cases(struct job *job)
{
	char line[64];
	int cases = 1;

	rewind(job->output);
	while (fgets(line, sizeof(line), job->output) != NULL)
		(void)sscanf(line, "cases: %d", &cases);
	return cases;
}

/* The test's process has ended and is not reaped yet, so its group can still be named. */
static void job_end(struct run *run, struct job *job)
{
	int status = 0;
	bool good;

	(void)kill(-job->pid, SIGKILL);
	(void)waitpid(job->pid, &status, 0);
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (good) {
		run->passed += job_cases(job);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		run->skipped++;
		printf("%s: skipped\n", job->test->name);
	} else {
		run->failed++;
		printf("%s: FAILED%s\n", job->test->name,
		    WIFEXITED(status) ? "" : " (did not end, or crashed)");
	}
	if (!good)
		job_print(job);
	fflush(stdout);
	(void)fclose(job->output);
	job->pid = 0;
}

/* End those jobs that are done or late; how many still run. */
static size_t jobs_check(struct run *run, size_t first, size_t count)
{
	size_t i, running = 0;
	siginfo_t info;
	struct job *job;

	for (i = first; i < first + count; i++) {
		job = &run->jobs[i];
		if (job->pid == 0)
			continue;
		memset(&info, 0, sizeof(info));
		(void)waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT);
		if (info.si_pid == job->pid || run_stopped != 0 ||
		    time_now() - job->started > TEST_SECONDS)
			job_end(run, job);
		else
			running++;
	}
	return running;
}

/* Take the next test of this kind, if there is room for it among these jobs. */
static bool jobs_fill(struct run *run, size_t first, size_t count, bool waits)
{
	size_t i, next;

	for (next = 0; next < run->count; next++)
		if (run->chosen[next] != NULL && test_waits(run, run->chosen[next]) == waits)
			break;
	if (next == run->count)
		return false;
	for (i = first; i < first + count; i++)
		if (run->jobs[i].pid == 0) {
			job_start(run, &run->jobs[i], run->chosen[next]);
			run->chosen[next] = NULL;
			return true;
		}
	return false;
}

static void run_tests(struct run *run)
{
	size_t running;

	do {
		while (run_stopped == 0 && jobs_fill(run, BUSY_MAX, WAITING_MAX, true))
			continue;
		while (run_stopped == 0 && jobs_fill(run, 0, BUSY_MAX, false))
			continue;
		running = jobs_check(run, 0, BUSY_MAX + WAITING_MAX);
		time_wait(0.004);
	} while (running != 0 || (run_stopped == 0 && jobs_fill(run, 0, BUSY_MAX, false)));
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: blackbox [-t divisor] [--tiny] [--tls] [--no-sandbox] [--list] "
	    "program [prefix ...]\n");
	exit(2);
}

static char **run_options(struct run *run, char **argv, bool *list)
{
	for (argv++; *argv != NULL && (*argv)[0] == '-'; argv++) {
		if (strcmp(*argv, "--tiny") == 0)
			run->settings.tiny = true;
		else if (strcmp(*argv, "--tls") == 0)
			run->settings.tls = true;
		else if (strcmp(*argv, "--no-sandbox") == 0)
			run->settings.no_sandbox = true;
		else if (strcmp(*argv, "--list") == 0)
			*list = true;
		else if (strcmp(*argv, "-t") == 0 && argv[1] != NULL)
			run->settings.divisor = strtod(*++argv, NULL);
		else
			usage();
	}
	if (run->settings.divisor < 1 || (*argv == NULL && !*list))
		usage();
	run->settings.program = *argv;
	return *argv == NULL ? argv : argv + 1;
}

int main(int argc, char **argv)
{
	static struct run run = { .settings = { .divisor = 1 } };
	char folder[] = "/tmp/blackbox-XXXXXX";
	bool list = false;
	size_t i;

	(void)argc;
	run_choose(&run, run_options(&run, argv, &list));
	if (list) {
		for (i = 0; i < run.count; i++)
			printf("%s%s\n", run.chosen[i]->name,
			    run.chosen[i]->where & FITS ? " fits" : "");
		return 0;
	}
	if (mkdtemp(folder) == NULL || access(run.settings.program, X_OK) != 0) {
		fprintf(stderr, "blackbox: %s: %s\n", run.settings.program, strerror(errno));
		return 2;
	}
	run.settings.folder = folder;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, run_stop);
	(void)signal(SIGTERM, run_stop);
	run_tests(&run);
	folder_remove(folder);
	if (run.skipped != 0)
		printf("%d skipped\n", run.skipped);
	printf("%d passed, %d failed\n", run.passed, run.failed);
	return run.failed != 0 || run.passed == 0;
}
