// A fake provider for the bench: OpenAI's chat completions on one epoll thread, nothing allocated per answer.
//
//   upstream PORT:CHUNKS:PACE_US ...
//
// Each port answers POST of anything. A body with "stream":true gets a stream of CHUNKS pieces of text, one each PACE_US
// microseconds, the first at once; PACE_US 0 writes the whole stream at once. Every piece holds the time at which it was
// written, CLOCK_MONOTONIC in nanoseconds: '@' and 16 letters, 'a' for 0 to 'p' for 15 (letters, because a run of digits
// is many tokens and a gateway that guards output limits would end the answer). `load` reads it.
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

#define MAX_FD 65536
#define HEAD_MAX 16384

typedef struct {
    int fd, chunks, pace_us;
} Port;

typedef struct {
    const Port *port;
    char *in;  // request bytes that are not answered yet
    size_t held, room;
    char *out;  // answer bytes that the peer has not taken yet
    size_t unsent, out_room;
    int64_t due;   // when the next piece of the stream is to be written; 0: no stream under way
    int sent, slot;  // pieces written; place in the heap
} Conn;

static Conn *conns[MAX_FD];
static int heap[MAX_FD], heap_size, loop_fd, timer_fd;
static char whole[4096], head[512], first[1024], piece[1024], last[2048], burst[1 << 20];
static size_t whole_n, head_n, first_n, piece_n, last_n, first_at, piece_at;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// A binary heap of streams by the time of their next piece.
static void place(int at, int fd) { heap[at] = fd, conns[fd]->slot = at; }
static void up(int at, int fd) {
    while (at && conns[heap[(at - 1) / 2]]->due > conns[fd]->due) place(at, heap[(at - 1) / 2]), at = (at - 1) / 2;
    place(at, fd);
}
static void down(int at, int fd) {
    for (int child; (child = 2 * at + 1) < heap_size; at = child) {
        if (child + 1 < heap_size && conns[heap[child + 1]]->due < conns[heap[child]]->due) child++;
        if (conns[heap[child]]->due >= conns[fd]->due) break;
        place(at, heap[child]);
    }
    place(at, fd);
}
static void leave_heap(Conn *c) {
    int at = c->slot, mover = heap[--heap_size];
    if (at < heap_size) {
        down(at, mover);
        if (conns[mover]->slot == at) up(at, mover);
    }
    c->due = 0;
}

static void stamp(char *to) {
    uint64_t value = now_ns();
    for (int i = 15; i >= 0; i--, value >>= 4) to[i] = 'a' + (value & 15);
}

static size_t framed(char *to, const char *event) {  // one chunk of HTTP's chunked coding
    return sprintf(to, "%zx\r\n%s\r\n", strlen(event), event);
}

static void compose(void) {
    const char *usage =
        "\"usage\":{\"prompt_tokens\":182,\"completion_tokens\":50,\"total_tokens\":232,\"prompt_tokens_details\":"
        "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
        "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}";
    const char *start =
        "data: {\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"
        "\"model\":\"bench-1\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\",\"choices\":[";
    const char *end = ",\"logprobs\":null,\"finish_reason\":%s}],\"usage\":null}\n\n";
    char body[2048], event[2048];
    int n = sprintf(body,
                    "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion\",\"created\":1790000000,"
                    "\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                    "\"The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. How "
                    "vexingly quick daft zebras jump!\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
                    "\"finish_reason\":\"stop\"}],%s,\"service_tier\":\"default\",\"system_fingerprint\":"
                    "\"fp_560af6e559\"}",
                    usage);
    whole_n = sprintf(whole,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
                      "Content-Length: %d\r\n\r\n%s",
                      n, body);
    head_n = sprintf(head,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nx-request-id: "
                     "req_0123456789abcdef\r\nTransfer-Encoding: chunked\r\n\r\n");
    n = sprintf(event, "%s{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\" @aaaaaaaaaaaaaaaa\"}", start);
    sprintf(event + n, end, "null");
    first_n = framed(first, event), first_at = strchr(first, '@') - first + 1;
    n = sprintf(event, "%s{\"index\":0,\"delta\":{\"content\":\" @aaaaaaaaaaaaaaaa\"}", start);
    sprintf(event + n, end, "null");
    piece_n = framed(piece, event), piece_at = strchr(piece, '@') - piece + 1;
    n = sprintf(event, "%s{\"index\":0,\"delta\":{}", start);
    sprintf(event + n, end, "\"stop\"");
    last_n = framed(last, event);
    sprintf(event, "%s],%s}\n\n", start, usage);
    last_n += framed(last + last_n, event);
    last_n += framed(last + last_n, "data: [DONE]\n\n");
    last_n += sprintf(last + last_n, "0\r\n\r\n");
}

static void watch(int fd, int operation, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    epoll_ctl(loop_fd, operation, fd, &e);
}

static void hang_up(int fd) {
    Conn *c = conns[fd];
    if (c->due) leave_heap(c);
    conns[fd] = NULL;
    close(fd);
    free(c->in), free(c->out), free(c);
}

static void put(int fd, const char *bytes, size_t n) {  // write, or keep what the peer does not take yet
    Conn *c = conns[fd];
    ssize_t taken = c->unsent ? 0 : send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0) taken = 0;  // full or gone; epoll tells which
    if ((size_t)taken == n) return;
    if (c->unsent + n - taken > c->out_room) c->out = realloc(c->out, c->out_room = 2 * (c->unsent + n));
    memcpy(c->out + c->unsent, bytes + taken, n - taken);
    if (!c->unsent) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    c->unsent += n - taken;
}

static void begin_stream(int fd) {
    Conn *c = conns[fd];
    size_t n = head_n;
    memcpy(burst, head, head_n);
    memcpy(burst + n, first, first_n), stamp(burst + n + first_at), n += first_n;
    if (!c->port->pace_us) {
        for (int i = 1; i < c->port->chunks; i++) memcpy(burst + n, piece, piece_n), stamp(burst + n + piece_at), n += piece_n;
        memcpy(burst + n, last, last_n), n += last_n;
    } else {
        c->sent = 1, c->due = now_ns() + c->port->pace_us * 1000LL;
        up(heap_size++, fd);
    }
    put(fd, burst, n);
}

static void next_pieces(void) {  // write every piece that is due, then set the timer to the next one
    while (heap_size) {
        int fd = heap[0];
        Conn *c = conns[fd];
        if (c->due > now_ns()) break;
        if (c->sent < c->port->chunks) {
            stamp(piece + piece_at);
            put(fd, piece, piece_n);
            c->sent++, c->due += c->port->pace_us * 1000LL;
            down(0, fd);
        } else {
            leave_heap(c);
            put(fd, last, last_n);
        }
    }
    int64_t due = heap_size ? conns[heap[0]]->due : 0;
    struct itimerspec when = {.it_value = {due / 1000000000, due % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static size_t request_length(const Conn *c, size_t *head_length) {  // 0: not whole yet
    const char *end = memmem(c->in, c->held, "\r\n\r\n", 4);
    if (!end) return 0;
    *head_length = end + 4 - c->in;
    char fields[HEAD_MAX];
    size_t n = *head_length < HEAD_MAX ? *head_length : HEAD_MAX - 1;
    memcpy(fields, c->in, n), fields[n] = 0;
    const char *length = strcasestr(fields, "\ncontent-length:");
    size_t all = *head_length + (length ? strtoul(length + 16, NULL, 10) : 0);
    if (strcasestr(fields, "\ntransfer-encoding:")) {
        const char *close = memmem(c->in + *head_length, c->held - *head_length, "0\r\n\r\n", 5);
        return close ? (size_t)(close + 5 - c->in) : 0;
    }
    return all <= c->held ? all : 0;
}

static void answer(int fd) {
    Conn *c = conns[fd];
    size_t head_length, n;
    while (!c->due && (n = request_length(c, &head_length))) {
        const char *flag = memmem(c->in + head_length, n - head_length, "\"stream\":", 9);
        if (flag)
            for (flag += 9; *flag == ' '; flag++) {}
        int streams = flag && *flag == 't';
        memmove(c->in, c->in + n, c->held -= n);
        if (streams) begin_stream(fd);
        else put(fd, whole, whole_n);
    }
}

static void readable(int fd) {
    Conn *c = conns[fd];
    if (c->room - c->held < 65536) c->in = realloc(c->in, c->room = c->held + 131072);
    ssize_t n = recv(fd, c->in + c->held, c->room - c->held, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) hang_up(fd);
        return;
    }
    c->held += n;
    answer(fd);
}

static void writable(int fd) {
    Conn *c = conns[fd];
    ssize_t n = send(fd, c->out, c->unsent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) memmove(c->out, c->out + n, c->unsent -= n);
    if (!c->unsent) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void accept_all(const Port *port) {
    int fd, one = 1;
    while ((fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[fd] = calloc(1, sizeof(Conn));
        conns[fd]->port = port;
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void listen_on(Port *port, const char *spec) {
    int number, one = 1;
    if (sscanf(spec, "%d:%d:%d", &number, &port->chunks, &port->pace_us) != 3 || port->chunks < 1 || port->chunks > 2000) {
        fprintf(stderr, "upstream: %s is not PORT:CHUNKS:PACE_US\n", spec);
        exit(2);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    port->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(port->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(port->fd, (void *)&address, sizeof address) || listen(port->fd, 8192)) perror("upstream"), exit(1);
    watch(port->fd, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int count, char **specs) {
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    compose();
    loop_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(timer_fd, EPOLL_CTL_ADD, EPOLLIN);
    Port ports[16];
    int listening = count - 1 < 16 ? count - 1 : 16;
    for (int i = 0; i < listening; i++) listen_on(&ports[i], specs[i + 1]);
    for (struct epoll_event ready[512];;) {
        int n = epoll_wait(loop_fd, ready, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd, is_port = 0;
            for (int p = 0; p < listening; p++)
                if (ports[p].fd == fd) accept_all(&ports[p]), is_port = 1;
            if (is_port || fd == timer_fd || !conns[fd]) continue;
            if (ready[i].events & EPOLLOUT) writable(fd);
            if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(fd);
        }
        next_pieces();
    }
}
