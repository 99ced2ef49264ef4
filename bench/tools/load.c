// Load for the bench: chat completions over keep-alive connections on one epoll thread, streamed or not.
//
//   load -p PORT -c CONNECTIONS -d SECONDS [-w WARM_SECONDS] [-r CALLS_PER_SECOND] [-s CHUNKS] [-k KEY] [-m MODEL]
//        [-b BODY_BYTES] [-H "name: value"]...
//
// Without -r each connection sends its next call as soon as it has its answer. With -r calls are due at fixed times and
// latency counts from them, so a slow answer is not forgiven. With -s calls are streamed; every piece's time stamp gives
// its transit, the number of pieces and [DONE] are checked; they begin spread over the warm time. "MEASURE" and "END" go to stderr around what counts, one
// JSON line to stdout; times are in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384

// A histogram of microseconds: exact below 128, then 64 cells for each doubling (at most 1.6 % off).
typedef struct { uint64_t count, cells[4096]; } Times;
static void note(Times *t, int64_t us) {
    if (us < 0) us = 0;
    int cell = us;
    if (us >= 128) {
        int log = 63 - __builtin_clzll(us);
        cell = (log - 5) * 64 + (us >> (log - 6)) % 64;
    }
    t->count++, t->cells[cell < 4095 ? cell : 4095]++;
}
static int64_t quantile(const Times *t, double q) {
    uint64_t seen = 0;
    for (int cell = 0; cell < 4096; cell++)
        if ((seen += t->cells[cell]) > t->count * q) return cell < 128 ? cell : (int64_t)(64 + cell % 64) << (cell / 64 - 1);
    return 0;
}

enum State { CONNECTING, IDLE, IN_HEAD, IN_BODY };
enum Part { SIZE, DATA, DATA_END, TRAILER };  // of a chunked body

typedef struct {
    int fd;
    enum State state;
    enum Part part;
    int64_t due;                // when the call was to be sent
    char head[HEAD_MAX];        // of the answer, while it comes
    int head_n, sent, status, chunked, closes, line_n;
    long left;                  // bytes of the body or of this chunk; -1: until the connection ends
    int pieces, letters;        // pieces seen; letters of a time stamp seen, 0 outside of one
    uint64_t stamp;
    char tail[16];              // the last bytes of the body
} Conn;

static Conn *conns;
static int port, connections = 64, chunks, loop_fd, timer_fd, measuring, *idle, idle_n;
static double seconds = 5, warm = 1, rate;
static char request[1 << 20];
static int request_n;
static int64_t next_due, gap_ns;
static Times latency, first, transit;
static uint64_t done, not_200, broken, errors, pieces;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void watch(Conn *c, int operation, uint32_t events) {
    struct epoll_event e = {.events = events, .data.u32 = c - conns};
    epoll_ctl(loop_fd, operation, c->fd, &e);
}

static void dial(Conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger at_once = {1, 0};
    int one = 1;
    if (c->fd >= 0) close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);  // no port lingers in TIME_WAIT
    (void)!connect(c->fd, (void *)&to, sizeof to);
    c->state = CONNECTING;
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void flush_request(Conn *c) {
    ssize_t n = send(c->fd, request + c->sent, request_n - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) c->sent += n;
    watch(c, EPOLL_CTL_MOD, c->sent < request_n ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void call(Conn *c, int64_t due) {
    c->due = due, c->state = IN_HEAD;
    c->head_n = c->sent = c->pieces = c->letters = c->closes = 0;
    memset(c->tail, 0, sizeof c->tail);
    ssize_t n = send(c->fd, request, request_n, MSG_DONTWAIT | MSG_NOSIGNAL);
    c->sent = n > 0 ? n : 0;
    if (c->sent < request_n) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void rest(Conn *c) {  // ready for a call: at once, or when one is due
    c->state = IDLE;
    if (rate) idle[idle_n++] = c - conns;
    else call(c, now_ns());
}

static void send_due(int64_t now) {
    for (; rate && idle_n && next_due <= now; next_due += gap_ns) call(&conns[idle[--idle_n]], next_due);
    struct itimerspec when = {.it_value = {next_due / 1000000000, next_due % 1000000000}};
    if (rate && idle_n) timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void over(Conn *c, int64_t now) {
    if (measuring) {
        done++, note(&latency, (now - c->due) / 1000);
        not_200 += c->status != 200;
        if (chunks) broken += c->pieces != chunks || !memmem(c->tail, sizeof c->tail, "[DONE]", 6);
    }
    if (!c->closes) {
        rest(c);
        return;
    }
    c->state = IDLE;
    dial(c);
}

static void taste(Conn *c, const char *bytes, int n, int64_t now) {  // look at a piece of the body
    if (!chunks) return;
    for (int i = 0; i < n; i++) {
        if (!c->letters) {
            const char *at = memchr(bytes + i, '@', n - i);
            if (!at) break;
            i = at - bytes, c->letters = 1, c->stamp = 0;
        } else if (bytes[i] < 'a' || bytes[i] > 'p') {
            c->letters = 0;
        } else {
            c->stamp = c->stamp << 4 | (uint64_t)(bytes[i] - 'a');
            if (++c->letters < 17) continue;
            c->letters = 0;
            if (!c->pieces++ && measuring) note(&first, (now - c->due) / 1000);
            if (measuring) pieces++, note(&transit, (now - (int64_t)c->stamp) / 1000);
        }
    }
    int keep = n < (int)sizeof c->tail ? (int)sizeof c->tail - n : 0;
    memmove(c->tail, c->tail + sizeof c->tail - keep, keep);
    memcpy(c->tail + keep, bytes + n - (sizeof c->tail - keep), sizeof c->tail - keep);
}

static int take_head(Conn *c, const char *bytes, int n) {  // returns how many bytes were the head's
    int before = c->head_n, room = HEAD_MAX - 1 - before, taken = n < room ? n : room;
    memcpy(c->head + before, bytes, taken);
    c->head[c->head_n += taken] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return taken;
    end[2] = 0;
    const char *length = strcasestr(c->head, "\ncontent-length:");
    c->status = atoi(c->head + 9);
    c->chunked = strcasestr(c->head, "\ntransfer-encoding: chunked") != NULL;
    c->closes = strcasestr(c->head, "\nconnection: close") != NULL;
    c->left = c->chunked ? 0 : length ? atol(length + 16) : -1;
    c->state = IN_BODY, c->part = SIZE, c->line_n = 0;
    return end + 4 - c->head - before;
}

static int take_chunked(Conn *c, const char *bytes, int n, int64_t now) {  // returns how many bytes it used
    char at = *bytes;
    if (c->part == DATA) {
        int taken = n < c->left ? n : (int)c->left;
        taste(c, bytes, taken, now);
        if (!(c->left -= taken)) c->part = DATA_END;
        return taken;
    }
    if (c->part == SIZE) {
        if (at == '\n') c->part = c->left ? DATA : TRAILER, c->line_n = 0;
        else if (at != '\r') c->left = c->left * 16 + (at <= '9' ? at - '0' : (at | 32) - 'a' + 10);
    } else if (at == '\n') {
        if (c->part == DATA_END) c->part = SIZE;
        else if (!c->line_n) over(c, now);
        c->line_n = 0;
    } else if (at != '\r') c->line_n++;
    return 1;
}

static void take(Conn *c, const char *bytes, int n, int64_t now) {
    while (n > 0 && c->state >= IN_HEAD) {
        int used = n;
        if (c->state == IN_HEAD) {
            used = take_head(c, bytes, n);
            if (c->state == IN_BODY && !c->chunked && !c->left) over(c, now);
        } else if (c->chunked) {
            used = take_chunked(c, bytes, n, now);
        } else {
            if (c->left >= 0 && used > c->left) used = c->left;
            taste(c, bytes, used, now);
            if (c->left > 0 && !(c->left -= used)) over(c, now);
        }
        if (!used) {
            errors++;
            return;
        }
        bytes += used, n -= used;
    }
}

static void lost(Conn *c) {
    if (c->state == IN_BODY && !c->chunked && c->left < 0) c->closes = 1, over(c, now_ns());
    else {
        if (c->state >= IN_HEAD) errors++;
        for (int i = 0; i < idle_n; i++)
            if (idle[i] == c - conns) idle[i--] = idle[--idle_n];
        usleep(100);  // a gateway that refuses connections is not to be flooded
        dial(c);
    }
}

static void on_event(Conn *c, uint32_t events) {
    static char buffer[1 << 18];
    if (c->state == CONNECTING) {
        int fault = 0;
        socklen_t size = sizeof fault;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &fault, &size);
        if (fault) {
            errors++, usleep(1000), dial(c);
            return;
        }
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        rest(c);
        return;
    }
    if (events & EPOLLOUT) flush_request(c);
    if (!(events & ~EPOLLOUT)) return;
    ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) take(c, buffer, n, now_ns());
    else if (n == 0 || errno != EAGAIN) lost(c);
}

static void compose(const char *key, const char *model, int body_bytes, const char *fields) {
    static const char filler[] = "Please summarise the notes on moving the billing service to the new cluster. ";
    char *body = malloc(body_bytes + 4096);
    int n = sprintf(body,
                    "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant. Answer "
                    "briefly, and say so when you do not know.\"},{\"role\":\"user\",\"content\":\"",
                    model);
    while (n < body_bytes - 150) body[n] = filler[n % (sizeof filler - 1)], n++;
    n += sprintf(body + n, "\"}],\"temperature\":0.7,\"max_tokens\":1024,\"user\":\"user-1234\"%s}",
                 chunks ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");
    request_n = snprintf(request, sizeof request,
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                         "Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: OpenAI/Python 2.0\r\n"
                         "X-Stainless-Lang: python\r\nX-Stainless-Package-Version: 2.0\r\nX-Stainless-Runtime: CPython\r\n"
                         "%sContent-Length: %d\r\n\r\n%s",
                         port, key, fields, n, body);
    free(body);
}

static void report(double lasted) {
    printf("{\"seconds\":%.3f,\"done\":%lu,\"pieces\":%lu,\"errors\":%lu,\"not_200\":%lu,\"broken\":%lu,\"latency_p50\":%ld,"
           "\"latency_p99\":%ld,\"first_p50\":%ld,\"first_p99\":%ld,\"transit_p50\":%ld,\"transit_p99\":%ld}\n",
           lasted, done, pieces, errors, not_200, broken, quantile(&latency, .5), quantile(&latency, .99), quantile(&first, .5),
           quantile(&first, .99), quantile(&transit, .5), quantile(&transit, .99));
}

static void run(void) {
    int64_t start = now_ns(), begin = start + warm * 1e9, end = begin + seconds * 1e9, now;
    int64_t apart = chunks ? (begin - start) / connections : 0;  // streams begin spread over the warm time
    int dialled = 0;
    struct epoll_event ready[1024];
    next_due = start + 50000000, gap_ns = rate ? 1e9 / rate : 0;
    while ((now = now_ns()) < end) {
        for (; dialled < connections && now >= start + apart * dialled; dialled++)
            conns[dialled].fd = -1, dial(&conns[dialled]);
        if (!measuring && now >= begin) {
            measuring = 1, done = not_200 = broken = errors = pieces = 0, begin = now;
            memset(&latency, 0, sizeof latency), memset(&first, 0, sizeof first), memset(&transit, 0, sizeof transit);
            fprintf(stderr, "MEASURE\n");
        }
        int64_t wait = (dialled < connections ? start + apart * dialled : measuring ? end : begin) - now;
        int n = epoll_wait(loop_fd, ready, 1024, wait > 0 ? wait / 1000000 + 1 : 0);
        for (int i = 0; i < n; i++)
            if (ready[i].data.u32 != UINT32_MAX) on_event(&conns[ready[i].data.u32], ready[i].events);
        send_due(now_ns());
    }
    fprintf(stderr, "END\n");
    report((now_ns() - begin) / 1e9);
}

int main(int count, char **arguments) {
    const char *key = "sk-bench", *model = "bench";
    char fields[8192] = "";
    int body_bytes = 900;
    for (int o; (o = getopt(count, arguments, "p:c:d:w:r:s:k:m:b:H:")) != -1;) switch (o) {
            case 'p': port = atoi(optarg); break;
            case 'c': connections = atoi(optarg); break;
            case 'd': seconds = atof(optarg); break;
            case 'w': warm = atof(optarg); break;
            case 'r': rate = atof(optarg); break;
            case 's': chunks = atoi(optarg); break;
            case 'k': key = optarg; break;
            case 'm': model = optarg; break;
            case 'b': body_bytes = atoi(optarg); break;
            case 'H': strncat(fields, optarg, 4000), strcat(fields, "\r\n"); break;
            default: return 2;
        }
    if (!port || connections < 1 || body_bytes > 900000) return fprintf(stderr, "load: see the head of load.c\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    compose(key, model, body_bytes, fields);
    conns = calloc(connections, sizeof *conns), idle = calloc(connections, sizeof *idle);
    loop_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event timer = {.events = EPOLLIN | EPOLLET, .data.u32 = UINT32_MAX};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, timer_fd, &timer);
    run();
}
