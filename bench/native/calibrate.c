/* What one send() of 300 bytes costs on this machine: the floor under every socket server.
 *
 * Nine hundred loopback connections, one message to each in a round, a child process that reads
 * them with epoll; the next round begins when the last one was read. Prints CPU microseconds of
 * the sending process per send, and wall microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 900, ROUNDS = 150, SIZE = 300 };

static void need(int ok, const char *what) {
    if (ok)
        return;
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void read_rounds(const int *sockets, int done) {
    int epoll = epoll_create1(0);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        need(!epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event), "epoll_ctl");
    }
    struct epoll_event ready[256];
    char buffer[65536];
    size_t pending = (size_t)CONNECTIONS * SIZE;
    for (int round = 0; round < ROUNDS;) {
        int count = epoll_wait(epoll, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            ssize_t n = recv(ready[i].data.fd, buffer, sizeof buffer, 0);
            need(n > 0, "recv");
            pending -= (size_t)n;
        }
        if (!pending) {
            need(write(done, "r", 1) == 1, "write");
            pending = (size_t)CONNECTIONS * SIZE;
            round++;
        }
    }
    _exit(0);
}

static void connect_all(int *from, int *to) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    need(!bind(listener, (struct sockaddr *)&at, sizeof at), "bind");
    need(!listen(listener, 128), "listen");
    need(!getsockname(listener, (struct sockaddr *)&at, &length), "getsockname");
    for (int i = 0; i < CONNECTIONS; i++) {
        to[i] = socket(AF_INET, SOCK_STREAM, 0);
        need(to[i] >= 0, "socket (raise ulimit -n)");
        need(!connect(to[i], (struct sockaddr *)&at, sizeof at), "connect");
        from[i] = accept(listener, NULL, NULL);
        need(from[i] >= 0, "accept");
        setsockopt(from[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

int main(void) {
    static int from[CONNECTIONS], to[CONNECTIONS];
    static double cpu[ROUNDS];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int done[2];
    connect_all(from, to);
    need(!pipe(done), "pipe");
    pid_t reader = fork();
    need(reader >= 0, "fork");
    if (!reader) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        read_rounds(to, done[1]);
    }
    char message[SIZE], byte;
    memset(message, 'x', SIZE);
    double wall = seconds(CLOCK_MONOTONIC);
    for (int round = 0; round < ROUNDS; round++) {
        double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < CONNECTIONS; i++)
            need(send(from[i], message, SIZE, 0) == SIZE, "send");
        cpu[round] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - before) * 1e6 / CONNECTIONS;
        need(read(done[0], &byte, 1) == 1, "read");
    }
    wall = (seconds(CLOCK_MONOTONIC) - wall) * 1e6 / ((double)ROUNDS * CONNECTIONS);
    qsort(cpu, ROUNDS, sizeof *cpu, compare);
    printf("{\"send_cpu_us\": %.2f, \"send_cpu_us_p10\": %.2f, \"send_cpu_us_p90\": %.2f, "
           "\"send_wall_us\": %.2f, \"bytes\": %d, \"connections\": %d}\n",
           cpu[ROUNDS / 2], cpu[ROUNDS / 10], cpu[ROUNDS * 9 / 10], wall, SIZE, CONNECTIONS);
    return 0;
}
