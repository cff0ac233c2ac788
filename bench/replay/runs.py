# ruff: noqa: E501 (scripts, as one would type them)
"""The real runs: each is set up, run and checked by itself in a folder of its own, and ends by itself.

The three scripts of a run are bash's, under `set -euo pipefail`; the command alone is recorded. In them, $PROGRAMS is
the folder of our own small programs, $PORT is a free port of the loopback, and $HOME and $TMPDIR are the run's folder.
A run whose programs are missing is left out, and the report says so.

Left out on purpose, for they cannot be recorded at all, by design (docs/limits.md):

- programs that trace others: gdb's `run`, strace, valgrind --vgdb, sanitizers' leak checks. A thread has one tracer.
- `openssl speed -multi` and `stress-ng`: how much they do depends on the time it takes.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """A real program at work.

    Attributes:
        group: what kind it is, in the report.
        name: for --only.
        needs: programs, or files by their full paths, without which it is left out.
        command: what is recorded; has to succeed.
        setup: what is done before, unrecorded.
        check: has to succeed after it, unrecorded.
    """

    group: str
    name: str
    needs: tuple[str, ...]
    command: str
    setup: str = ""
    check: str = ""

    def missing(self) -> list[str]:
        """Return what is not installed here."""
        return [need for need in self.needs if shutil.which(need) is None and not Path(need).is_file()]


_LINES = 'seq 1 600000 | awk \'{ print (($1 * 7919) % 1000003) " line " $1 " of " ($1 % 97) }\' > lines'
_BYTES = "seq 1 {millions}00000 > bytes"
_C_PROJECT = """
mkdir project
for n in $(seq 1 16); do
    {
        echo '#include "all.h"'
        for f in $(seq 1 25); do
            echo "int f${n}_$f(int a, int *b) { int s = a; for (int i = 0; i < $((f + 3)); i++) {"
            echo "    s = s * $((n * 31 + f)) + b[(s ^ i) & 15]; if (s % $((f + 2)) == 0) b[i & 15] ^= s >> $((f % 5)); }"
            echo "    return s; }"
        done
    } > project/part$n.c
done
{
    echo '#include <stdio.h>'
    echo '#include <stdlib.h>'
    echo '#include <string.h>'
    for n in $(seq 1 16); do for f in $(seq 1 25); do echo "int f${n}_$f(int, int *);"; done; done
} > project/all.h
{
    echo '#include "all.h"'
    echo 'int main(void) { int b[16] = {0}, s = 1;'
    for n in $(seq 1 16); do echo "s += f${n}_1(s, b);"; done
    echo 'printf("%d\\n", s); return 0; }'
} > project/main.c
printf 'all: program\\nOBJECTS := $(patsubst %%.c,%%.o,$(wildcard *.c))\\n' > project/Makefile
printf 'program: $(OBJECTS)\\n\\t$(CC) -o $@ $^\\n%%.o: %%.c all.h\\n\\t$(CC) -O2 -c -o $@ $<\\n' >> project/Makefile
"""
_REPOSITORY = """
git config --global user.name bench; git config --global user.email bench@localhost
git config --global init.defaultBranch main; git config --global gc.auto 0
git init -q repository; cd repository
for n in $(seq 1 60); do
    for f in 1 2 3 4 5 6 7 8; do seq $((n * f)) $((n * f + 1500)) > file$f; done
    git add -A; git commit -q -m "Change $n"
done
"""
_WAIT_FOR_PORT = """
await() { for _ in $(seq 1 200); do (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.05; done; return 1; }
"""
_POSTGRES = "/usr/lib/postgresql/15/bin"


def _python_tests(name: str, *modules: str) -> Run:
    return Run(
        "python",
        name,
        ("/usr/bin/python3", "/usr/lib/python3.11/test/test_json/__init__.py"),
        f"/usr/bin/python3 -m test -q {' '.join(modules)} > out 2>&1",
        check="grep -q 'result: SUCCESS' out || { tail -n 20 out >&2; false; }",
    )


RUNS = [
    # coreutils and their neighbours
    Run("coreutils", "ls", ("ls",), "ls -lR /usr/include > out", check="test $(wc -l < out) -gt 1000"),
    Run(
        "coreutils",
        "find",
        ("find",),
        "find /usr/share /usr/include -type f -size +1k -printf '%s %p\\n' | sort -n | tail -n 100 > out",
        check="test $(wc -l < out) -eq 100",
    ),
    Run(
        "coreutils",
        "sha256sum",
        ("sha256sum",),
        "sha256sum bytes > sum",
        _BYTES.format(millions=60),
        "sha256sum -c sum",
    ),
    Run(
        "coreutils",
        "cp-diff-rm",
        ("cp", "diff"),
        "cp -a /usr/include/linux copy && diff -r /usr/include/linux copy && touch done && rm -r copy",
        check="test -e done -a ! -e copy",
    ),
    Run("coreutils", "dd", ("dd",), "dd if=/dev/zero of=/dev/null bs=1 count=200k status=none"),
    Run("coreutils", "sort-threads", ("sort",), "sort --parallel=4 -S 8M -n lines > out", _LINES, "sort -c -n out"),
    Run(
        "coreutils",
        "word-count",
        ("tr", "uniq"),
        "cat lines | tr ' ' '\\n' | sort | uniq -c | sort -rn > all && head -n 50 all > out",
        _LINES,
        "test $(wc -l < out) -eq 50",
    ),
    Run(
        "coreutils",
        "split-join",
        ("split", "md5sum", "shuf"),
        "split -l 20000 lines part. && md5sum part.* > sums && md5sum -c sums && cat part.* > out && shuf -n 10 lines",
        _LINES,
        "cmp lines out",
    ),
    Run("coreutils", "xargs-P4", ("xargs",), "find /usr/include -name '*.h' -print0 | xargs -0 -P4 -n50 wc -l > out"),
    Run("coreutils", "grep", ("grep",), "grep -rEoh 'define +[A-Z_]{12,}' /usr/include > out", check="test -s out"),
    Run("coreutils", "ripgrep", ("rg",), "rg -uu -o 'define +[A-Z_]{12,}' /usr/include > out", check="test -s out"),
    Run(
        "coreutils",
        "sed",
        ("sed",),
        "sed -E 's/([0-9]+) line ([0-9]+)/\\2:\\1/; s/of (.)/& \\1/; /7:/!d' lines > out",
        _LINES,
        "test -s out",
    ),
    Run(
        "coreutils",
        "diff-patch",
        ("diff", "patch"),
        "diff -u lines changed > delta || test $? = 1; cp lines out; patch -s out delta",
        f"{_LINES}; awk 'NR % 500 {{ print }} NR % 700 == 0 {{ print \"new\", NR }}' lines > changed",
        "cmp out changed",
    ),
    Run(
        "awk",
        "gawk",
        ("gawk",),
        "gawk '{ seen[$5] += $1; text[$5] = text[$5] substr($0, 1, 1) } END { for (k in seen) "
        "print k, seen[k], length(text[k]) }' lines | sort -n > out",
        _LINES,
        "test $(wc -l < out) -eq 97",
    ),
    Run(
        "awk",
        "mawk",
        ("mawk",),
        "mawk 'BEGIN { srand(); for (i = 0; i < 2000000; i++) n += rand() < 0.5; print n, systime() }' > out",
        check="test -s out",
    ),
    # shells
    Run(
        "shells",
        "bash-loop",
        ("bash",),
        "for ((n = 2; n < 6000; n++)); do for ((d = 2; d * d <= n; d++)); do ((n % d)) || continue 2; done; "
        "primes+=($n); done; echo ${#primes[@]} > out",
        check="grep -qx 783 out",
    ),
    Run(
        "shells",
        "bash-jobs",
        ("bash",),
        """
        trap 'echo caught >> out' USR1
        for n in $(seq 1 40); do (sleep 0.0$((n % 5)); echo $n; kill -USR1 $$) & done
        while ! wait; do :; done
        coproc upper { tr a-z A-Z; }
        echo word >&${upper[1]}; fd=${upper[0]}; exec {upper[1]}>&-; read -r answer <&$fd; echo $answer >> out
        diff <(seq 1 1000) <(seq 1 1000 | tac | tac)
        cat <<< "$(for n in $(seq 1 200); do echo $((n * n)); done)" | tail -n 1 >> out
        """,
        check="grep -q caught out && grep -qx WORD out && grep -qx 40000 out",
    ),
    Run(
        "shells",
        "bash-forks",
        ("bash",),
        "for n in $(seq 1 300); do x=$(echo $((n + 1)) | cat); done; echo $x > out",
        check="grep -qx 301 out",
    ),
    Run(
        "shells",
        "dash",
        ("dash",),
        "dash -c 'n=0; while [ $n -lt 60000 ]; do n=$((n + 1)); [ $((n % 400)) -ne 0 ] || /bin/true; done; echo $n' > out",
        check="grep -qx 60000 out",
    ),
    Run(
        "shells",
        "zsh",
        ("zsh",),
        "zsh -fc 'typeset -A h; for n in {1..60000}; do h[$((n % 777))]=$n; done; print ${#h}; ls **/*(N) | wc -l' > out",
        check="head -n 1 out | grep -qx 777",
    ),
    Run(
        "shells",
        "busybox",
        ("busybox",),
        'busybox sh -c \'busybox seq 1 200000 | busybox awk "{ s += \\$1 } END { print s }" > out; '
        "busybox tar cf t.tar lines; busybox gzip t.tar; busybox sha1sum t.tar.gz'",
        _LINES,
        "grep -qx 20000100000 out",
    ),
    # compilers and what goes with them
    Run(
        "compilers",
        "gcc",
        ("gcc",),
        "cd project && gcc -O2 -c -o /dev/null part1.c && gcc -O3 -g -o program part*.c main.c",
        _C_PROJECT,
        "project/program",
    ),
    Run("compilers", "make-j4", ("make", "gcc"), "make -s -j4 -C project", _C_PROJECT, "project/program"),
    Run(
        "compilers",
        "g++",
        ("g++",),
        "g++ -O1 -std=c++20 -o program program.cc && ./program > out",
        """
        cat > program.cc <<'EOF'
        #include <algorithm>
        #include <iostream>
        #include <map>
        #include <regex>
        #include <string>
        #include <vector>
        int main() {
            std::map<std::string, std::vector<int>> words;
            std::regex digits("([0-9]+)-([a-z]+)");
            for (int n = 0; n < 20000; n++) {
                std::smatch match;
                std::string text = std::to_string(n) + "-" + std::string(1 + n % 3, char('a' + n % 26));
                if (std::regex_match(text, match, digits)) words[match[2]].push_back(std::stoi(match[1]));
            }
            std::size_t most = 0;
            for (auto &[word, numbers] : words) most = std::max(most, numbers.size());
            std::cout << words.size() << ' ' << most << std::endl;
        }
        EOF
        """,
        "test -s out",
    ),
    Run(
        "compilers",
        "clang",
        ("clang-14",),
        "cd project && clang-14 -O2 -c -o part.o part1.c && clang-14 -S -emit-llvm -o part.ll part2.c",
        _C_PROJECT,
        "test -s project/part.o -a -s project/part.ll",
    ),
    Run(
        "compilers",
        "cmake-ninja",
        ("cmake", "ninja", "gcc"),
        "cmake -S project -B built -G Ninja > log && ninja -C built >> log",
        _C_PROJECT
        + "printf 'cmake_minimum_required(VERSION 3.10)\\nproject(p C)\\nfile(GLOB s *.c)\\nadd_executable(program ${s})\\n'"
        " > project/CMakeLists.txt",
        "built/program",
    ),
    Run(
        "compilers",
        "binutils",
        ("objdump", "readelf", "ar", "strip"),
        "objdump -d /bin/bash | tail -n 1000 > out; readelf -a /bin/bash > elf; cp /bin/bash copy; strip copy; "
        "ar rcs lib.a out elf; nm -D /bin/bash | sort > names",
        check="./copy -c true && test -s out -a -s names",
    ),
    Run(
        "compilers",
        "bison-flex-m4",
        ("bison", "flex", "gcc"),
        "bison -d -o grammar.c grammar.y && flex -o lexer.c lexer.l && gcc -o calculator grammar.c lexer.c && "
        "seq -s + 1 500 | ./calculator > out",
        """
        cat > grammar.y <<'EOF'
        %{
        #include <stdio.h>
        int yylex(void);
        void yyerror(const char *text) { fprintf(stderr, "%s\\n", text); }
        %}
        %token NUMBER
        %left '+'
        %%
        input: sum '\\n' { printf("%d\\n", $1); };
        sum: NUMBER | sum '+' sum { $$ = $1 + $3; };
        %%
        int main(void) { return yyparse(); }
        EOF
        cat > lexer.l <<'EOF'
        %{
        #include <stdlib.h>
        #include "grammar.h"
        %}
        %option noyywrap nounput noinput
        %%
        [0-9]+ { yylval = atoi(yytext); return NUMBER; }
        .|\\n return *yytext;
        %%
        EOF
        """,
        "grep -qx 125250 out",
    ),
    Run(
        "compilers",
        "gdb",
        ("gdb", "gcc"),
        "gdb -q -nx -batch -ex 'info functions' -ex 'disassemble main' -ex 'list main' -ex 'ptype struct account' "
        "-ex 'python print(sum(range(100)))' -ex 'info line total' bank > out",
        "gcc -g -o bank $PROGRAMS/bank.c",
        "grep -q 4950 out && grep -q 'struct account' out",
    ),
    # git
    Run(
        "git",
        "git-clone",
        ("git",),
        'git clone -q "file://$PWD/repository" clone && git -C clone log --oneline | wc -l > out',
        _REPOSITORY,
        "grep -qx 60 out",
    ),
    Run(
        "git",
        "git-log-blame",
        ("git",),
        "cd repository && git log -p --stat > ../log && git blame file3 > ../blame && git grep -n 77 $(git rev-list HEAD) "
        "> ../grep && git diff HEAD~30 > ../diff",
        _REPOSITORY,
        "test -s log -a -s blame -a -s grep -a -s diff",
    ),
    Run(
        "git",
        "git-rebase-merge",
        ("git",),
        "cd repository && git checkout -q -b topic HEAD~5 && for n in 1 2 3; do echo $n >> new; git add new; "
        "git commit -q -m new$n; done && git rebase -q main && git checkout -q main && git merge -q --no-ff -m merged topic "
        "&& git stash list && git status --short",
        _REPOSITORY,
        "test $(git -C repository rev-list --count HEAD) -eq 64",
    ),
    Run("git", "git-gc", ("git",), "cd repository && git gc -q && git fsck --full --strict", _REPOSITORY),
    # python
    _python_tests(
        "python-test-data", "test_json", "test_struct", "test_array", "test_bytes", "test_re", "test_decimal"
    ),
    _python_tests("python-test-threads", "test_thread", "test_queue", "test_threading_local", "test_contextlib"),
    _python_tests("python-test-files", "test_tempfile", "test_shutil", "test_zipfile", "test_mmap", "test_fileio"),
    _python_tests(
        "python-test-system", "test_select", "test_pipes", "test_popen", "test_fcntl", "test_pty", "test_fork1"
    ),
    _python_tests("python-test-poll", "test_epoll", "test_wait3", "test_selectors"),
    _python_tests("python-test-signal", "-m '*Pending*' -m '*Wakeup*' -m '*Stress*' test_signal"),
    Run(
        "python", "python-pool", ("/usr/bin/python3",), "/usr/bin/python3 $PROGRAMS/pool.py > out", check="grep 500 out"
    ),
    Run(
        "python",
        "python-start",
        ("/usr/bin/python3",),
        "for n in $(seq 1 20); do /usr/bin/python3 -c 'import json'; done",
    ),
    Run(
        "python",
        "python-compileall",
        ("/usr/bin/python3",),
        "/usr/bin/python3 -m compileall -q -j 2 email && /usr/bin/python3 -m tarfile -c out.tar email",
        "cp -r /usr/lib/python3.11/email . && rm -rf email/__pycache__",
        "test -s out.tar -a -d email/__pycache__",
    ),
    # other languages
    Run(
        "languages",
        "perl",
        ("perl",),
        """perl -e '
            open F, "<", "lines"; while (<F>) { $h{$1}++ if /(\\d+)$/; $t .= substr($_, 0, 2) } close F;
            for (1 .. 20) { pipe R, W; if (!fork) { print W $_ ** 2; exit } close W; $s += <R>; wait }
            @s = sort { $h{$a} <=> $h{$b} } keys %h; print scalar(@s), " $s ", length($t), "\\n"' > out""",
        _LINES,
        "grep -q '97 2870' out",
    ),
    Run("languages", "node", ("node",), "node $PROGRAMS/workers.js > out", check="grep -qx '200 4' out"),
    Run("languages", "java-version", ("java",), "java -version 2> out", check="grep -q version out"),
    Run(
        "languages",
        "java-threads",
        ("java", "javac"),
        "java -Xmx256m -cp . Threads > out",
        "javac -d . $PROGRAMS/Threads.java",
        "grep -q ' 32000 32000' out",
    ),
    Run("languages", "javac", ("javac",), "javac -d . $PROGRAMS/Threads.java", check="test -s Threads.class"),
    Run(
        "languages",
        "go-goroutines",
        ("go",),
        "./goroutines > out",
        "GOCACHE=$PWD/cache go build -o goroutines $PROGRAMS/goroutines.go",
        "test -s out",
    ),
    Run(
        "languages",
        "go-vet",
        ("go",),
        "GOCACHE=$PWD/cache GOFLAGS=-mod=mod go vet ./hello.go && GOCACHE=$PWD/cache gofmt -l . ",
        "cp $PROGRAMS/goroutines.go hello.go; GOCACHE=$PWD/cache go vet ./hello.go",
    ),
    Run(
        "languages",
        "lua",
        ("lua5.4",),
        "lua5.4 -e 'local t = {} for n = 1, 600000 do t[#t + 1] = tostring(n):rep(2) end table.sort(t) "
        'print(#t, t[1], select(2, table.concat(t):gsub("99", "")))\' > out',
        check="grep -q 600000 out",
    ),
    Run(
        "languages",
        "luajit",
        ("luajit",),
        "luajit -e 'local s = 0 for n = 1, 3e8 do s = (s * 31 + n) % 1000003 end print(s)' > out",
        check="test -s out",
    ),
    Run(
        "languages",
        "ruby",
        ("ruby",),
        'ruby -e \'h = Hash.new(0); File.foreach("lines") { |l| h[l.split.last] += 1 }; '
        "t = 4.times.map { |n| Thread.new { (1..100_000).sum { |x| x * n } } }; puts h.size, t.sum(&:value); "
        "puts `echo from a child`; r, w = IO.pipe; fork { w.puts 42; exit! }; Process.wait; puts r.gets' > out",
        _LINES,
        "grep -qx 97 out && grep -qx 42 out",
    ),
    Run(
        "languages",
        "php",
        ("php",),
        'php -r \'$a = []; foreach (file("lines") as $l) { $w = explode(" ", trim($l)); $a[end($w)][] = strrev($l); } '
        'ksort($a); echo count($a), " ", strlen(json_encode($a)), " ", md5(serialize($a)), "\\n";\' > out',
        _LINES,
        "grep -q '^97 ' out",
    ),
    Run(
        "languages",
        "guile",
        ("guile",),
        "guile --no-auto-compile -c '(let loop ((n 0) (s 0)) (if (< n 3000000) (loop (+ n 1) (modulo (+ (* s 31) n) 1000003)) "
        "(begin (display s) (newline))))' > out",
        check="test -s out",
    ),
    Run(
        "languages",
        "sbcl",
        ("sbcl",),
        "sbcl --noinform --non-interactive --eval '(defun f (n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2)))))' "
        "--eval '(print (f 32))' --eval '(print (length (loop repeat 3000000 collect (cons 1 2))))' > out",
        check="grep -q 2178309 out && grep -q 3000000 out",
    ),
    Run(
        "languages",
        "erlang",
        ("erl",),
        "erl -noshell -eval 'S = self(), [spawn(fun() -> S ! lists:sum([X * N || X <- lists:seq(1, 20000)]) end) || N <- "
        'lists:seq(1, 50)], io:format("~p~n", [lists:sum([receive V -> V end || _ <- lists:seq(1, 50)])]), halt().\' > out',
        check="grep -qx 255012750000 out",
    ),
    Run(
        "languages",
        "tcl",
        ("tclsh",),
        "echo 'for {set n 0} {$n < 400000} {incr n} { incr a([expr {$n % 97}]); append s [string range $n end end] }; "
        "after 10 {set done 1}; vwait done; puts [array size a]; puts [exec echo child]' | tclsh > out",
        check="grep -qx 97 out && grep -qx child out",
    ),
    Run(
        "languages",
        "bc-dc-jq",
        ("bc", "dc", "jq"),
        "echo 'scale=900; 4*a(1)' | bc -l > out; dc -e '2 4000 ^ p' >> out; "
        "seq 1 60000 | jq -s 'map(. * 2) | add' >> out",
        check="grep -q 3600060000 out && grep -q '3.14159265' out",
    ),
    # data
    Run(
        "databases",
        "sqlite3",
        ("sqlite3",),
        "sqlite3 work.db < inserts > out",
        "{ echo 'create table t(a integer primary key, b text);'; "
        "for n in $(seq 1 400); do echo \"insert into t(b) values('row $n');\"; done; "
        "echo 'begin; with recursive c(x) as (values(1) union all select x+1 from c where x<100000) insert into t(b) select "
        "hex(x) from c; create index i on t(b); commit; select count(*), sum(length(b)) from t;'; } > inserts",
        "grep -q '^100400|' out",
    ),
    Run(
        "databases",
        "sqlite3-wal",
        ("sqlite3",),
        "sqlite3 work.db 'pragma journal_mode=wal; create table t(a);' > /dev/null; for p in 1 2 3; do { echo '.timeout "
        '20000\'; for n in $(seq 1 100); do echo "insert into t values($n);"; done; } | sqlite3 work.db & done; wait; '
        "sqlite3 work.db 'select count(*) from t' > out",
        check="grep -qx 300 out",
    ),
    Run(
        "databases",
        "redis",
        ("redis-server", "redis-benchmark", "redis-cli"),
        _WAIT_FOR_PORT
        + """
        redis-server --port $PORT --bind 127.0.0.1 --save '' --appendonly no --dir . > redis.log & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        redis-benchmark -p $PORT -t set,get,lpush -n 10000 -c 20 -q > out
        redis-cli -p $PORT set key value >> out; redis-cli -p $PORT save >> out
        redis-cli -p $PORT shutdown nosave || :
        wait $server
        """,
        check="grep -q GET out && grep -q OK out && test -s dump.rdb",
    ),
    Run(
        "databases",
        "memcached",
        ("memcached", "nc"),
        _WAIT_FOR_PORT
        + """
        memcached -u nobody -l 127.0.0.1 -p $PORT -t 4 & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        for client in 1 2 3 4; do
            { for n in $(seq 1 500); do printf 'set k%d 0 0 4\\r\\n%04d\\r\\nget k%d\\r\\n' $n $n $n; done
              printf 'quit\\r\\n'; } | nc -N 127.0.0.1 $PORT > out$client & clients+=($!)
        done
        wait ${clients[@]}
        kill $server; wait $server || :
        """,
        check="test $(cat out? | grep -c STORED) -eq 2000",
    ),
    Run(
        "databases",
        "postgres",
        (f"{_POSTGRES}/initdb", f"{_POSTGRES}/pgbench", "runuser"),
        f"""
        runuser -u postgres -- bash -euc '
            PATH={_POSTGRES}:$PATH
            initdb -D data -A trust -N > log
            pg_ctl -D data -w -l server.log -o "-k $PWD -h \\"\\"" start >> log
            trap "pg_ctl -D data -m immediate stop >> log" ERR
            pgbench -h $PWD -i -s 1 -q postgres 2>> log
            pgbench -h $PWD -c 4 -j 2 -t 100 postgres > out
            psql -h $PWD -Atc "select count(*) from pgbench_history" postgres > count
            pg_ctl -D data -m fast -w stop >> log
            trap - ERR'
        """,
        "chown postgres . && chmod 755 .",
        "grep -qx 400 count",
    ),
    # compression
    Run("compression", "gzip", ("gzip",), "gzip -k -9 bytes && gzip -t bytes.gz", _BYTES.format(millions=12)),
    Run("compression", "bzip2", ("bzip2",), "bzip2 -k bytes && bzip2 -t bytes.bz2", _BYTES.format(millions=6)),
    Run(
        "compression",
        "xz-T2",
        ("xz",),
        "xz -k -2 -T2 --block-size=4MiB bytes",
        _BYTES.format(millions=30),
        "xz -t *.xz",
    ),
    Run("compression", "zstd-T2", ("zstd",), "zstd -q -9 -T2 bytes", _BYTES.format(millions=60), "zstd -qt bytes.zst"),
    Run("compression", "pigz", ("pigz",), "pigz -k -p 2 bytes", _BYTES.format(millions=30), "pigz -t bytes.gz"),
    Run("compression", "pbzip2", ("pbzip2",), "pbzip2 -k -p2 bytes", _BYTES.format(millions=8), "bzip2 -t bytes.bz2"),
    Run("compression", "lz4", ("lz4",), "lz4 -q -9 bytes out.lz4 && lz4 -dc out.lz4 > out", _BYTES.format(millions=40)),
    Run(
        "compression",
        "tar-zip-cpio",
        ("tar", "zip", "unzip", "cpio"),
        "tar czf a.tgz -C /usr/include linux && mkdir x && tar xzf a.tgz -C x && (cd x && zip -qr ../a.zip linux && "
        "find linux | cpio -o --quiet > ../a.cpio) && unzip -tq a.zip",
        check="cpio -t --quiet < a.cpio > list && grep -q linux/fs.h list",
    ),
    # cryptography
    Run(
        "cryptography",
        "openssl-speed",
        ("openssl",),
        "openssl speed -seconds 1 -bytes 1024 sha256 sha512 aes-128-cbc > out 2>&1",
    ),
    Run(
        "cryptography",
        "openssl-keys",
        ("openssl",),
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key && openssl req -x509 -key key -subj /CN=a -out "
        "cert && openssl dgst -sha256 -sign key -out sig cert && openssl x509 -in cert -pubkey -noout > pub && "
        "openssl dgst -sha256 -verify pub -signature sig cert > out",
        check="grep -q OK out",
    ),
    Run(
        "cryptography",
        "openssl-server",
        ("openssl",),
        _WAIT_FOR_PORT
        + """
        openssl s_server -quiet -accept 127.0.0.1:$PORT -key key -cert cert -WWW > server.log 2>&1 & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        for n in $(seq 1 10); do
            printf 'GET /page HTTP/1.0\\r\\n\\r\\n' |
                openssl s_client -quiet -ign_eof -connect 127.0.0.1:$PORT 2> /dev/null || :
        done > out
        kill $server; wait $server || :
        """,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -subj /CN=localhost -out cert 2> /dev/null; seq 1 5000 > page",
        "test $(grep -cx 5000 out) -eq 10",
    ),
    Run(
        "cryptography",
        "ssh-keygen",
        ("ssh-keygen",),
        "ssh-keygen -q -t ed25519 -N '' -f a && ssh-keygen -q -t rsa -b 2048 -N secret -f b && ssh-keygen -lf a.pub > out && "
        "ssh-keygen -q -s a -I id -n user b.pub",
        check="grep -q ED25519 out && test -s b-cert.pub",
    ),
    Run(
        "cryptography",
        "gpg",
        ("gpg", "gpgconf"),
        "export GNUPGHOME=$PWD/g; mkdir -m 700 g; gpg -q --batch --passphrase '' --quick-gen-key a@localhost ed25519; "
        "for n in 1 2 3 4 5; do gpg -q --batch -u a@localhost --clearsign < lines > signed$n; gpg -q --verify signed$n 2> out; done; gpgconf --kill all",
        "seq 1 1000 > lines",
        "grep -q 'Good signature' out",
    ),
    # servers and networks
    Run(
        "servers",
        "curl",
        ("curl", "/usr/bin/python3"),
        _WAIT_FOR_PORT
        + """
        /usr/bin/python3 -m http.server $PORT --bind 127.0.0.1 > server.log 2>&1 & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        for n in $(seq 1 20); do curl -s http://127.0.0.1:$PORT/page; done > out
        curl -s --parallel -o 'a#1' "http://127.0.0.1:$PORT/page?[1-20]"
        curl -s -o missing -w '%{http_code}' http://127.0.0.1:$PORT/none >> out
        kill $server; wait $server || :
        """,
        "seq 1 5000 > page",
        "test $(grep -cx 5000 out) -eq 20 && grep -q 404 out && cmp page a7",
    ),
    Run(
        "servers",
        "nginx",
        ("nginx", "ab", "curl"),
        _WAIT_FOR_PORT
        + """
        nginx -p $PWD -c $PWD/nginx.conf 2> server.log & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        ab -q -n 3000 -c 20 -k http://127.0.0.1:$PORT/page > out
        curl -s --compressed http://127.0.0.1:$PORT/page > copy
        kill -QUIT $server; wait $server
        """,
        """
        chmod 755 .; seq 1 5000 > page; mkdir -p tmp
        cat > nginx.conf <<EOF
        daemon off; worker_processes 2; pid nginx.pid; error_log error.log;
        events { worker_connections 256; }
        http {
            access_log access.log; gzip on; gzip_types *; client_body_temp_path tmp; proxy_temp_path tmp;
            fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
            server { listen 127.0.0.1:$PORT; root $PWD; default_type text/plain; }
        }
        EOF
        """,
        "grep -q 'Failed requests: *0' out && cmp page copy",
    ),
    Run(
        "servers",
        "socat-nc",
        ("socat", "nc"),
        _WAIT_FOR_PORT
        + """
        timeout 20 socat TCP-LISTEN:$PORT,bind=127.0.0.1,fork,reuseaddr EXEC:'tr 0-9 a-j' & server=$!
        trap 'kill $server 2> /dev/null || :' EXIT
        await $PORT
        for n in 1 2 3 4 5; do nc -N 127.0.0.1 $PORT < lines > out$n & clients+=($!); done
        wait ${clients[@]}
        kill $server; wait $server || :
        """,
        "seq 1 200000 > lines; tr 0-9 a-j < lines > expected",
        "for n in 1 2 3 4 5; do cmp expected out$n; done",
    ),
    Run(
        "servers",
        "rsync",
        ("rsync",),
        "rsync -a /usr/include/linux/ copy/ && touch copy/fs.h && rsync -ac --stats /usr/include/linux/ copy/ > out",
        check="diff -r /usr/include/linux copy",
    ),
    # on terminals
    Run(
        "terminals",
        "vim",
        ("vim",),
        "vim -es -u NONE -c '%s/\\(\\d\\+\\) of/\\1 from/g' -c 'g/line 7/d' -c '1,1000sort n' -c 'normal ggyy100p' -c 'w! out' "
        "-c 'qa!' lines",
        "seq 1 40000 | sed 's/.*/line & of it/' > lines",
        "test $(grep -c from out) -gt 20000",
    ),
    Run(
        "terminals",
        "tmux",
        ("tmux",),
        """
        unset TMUX
        tmux -S $PWD/socket -f /dev/null new-session -d -x 80 -y 24 'bash --norc'
        trap 'tmux -S $PWD/socket kill-server 2> /dev/null || :' EXIT
        tmux -S $PWD/socket split-window 'seq 1 20000; sleep 30'
        tmux -S $PWD/socket send-keys -t 0.0 'echo $((6 * 7)) > out' Enter
        for _ in $(seq 1 100); do [ -s out ] && break; sleep 0.05; done
        tmux -S $PWD/socket capture-pane -p -t 0.1 > pane
        tmux -S $PWD/socket kill-server
        """,
        check="grep -qx 42 out && grep -q '[0-9]' pane",
    ),
    Run(
        "terminals",
        "script-pty",
        ("script",),
        "script -qec 'stty size; seq 1 100000; for n in $(seq 1 100); do /bin/echo $n; done; tty' typescript < /dev/null > out",
        check="grep -q 300 out && grep -q /dev/pts out",
    ),
    Run(
        "terminals",
        "groff",
        ("groff", "/usr/bin/man"),
        "groff -man -Tutf8 page > out",
        "man -w bash | xargs zcat > page",
    ),
    # pictures, emulation
    Run(
        "media",
        "imagemagick",
        ("convert",),
        "convert -size 600x400 -seed 7 plasma:red-blue -blur 0x4 -rotate 10 -resize 50% out.png && convert out.png out.jpg && "
        "identify out.jpg > out",
        check="grep -q JPEG out",
    ),
    Run(
        "media",
        "valgrind",
        ("valgrind", "gcc"),
        "valgrind -q ./threads 2 1 > out 2>&1",
        "gcc -O1 -pthread -o threads $PROGRAMS/threads.c",
        "test -s out",
    ),
    # our own: what the others may not do
    Run(
        "own",
        "pthreads",
        ("gcc",),
        "./threads 4 60 > out",
        "gcc -O2 -pthread -o threads $PROGRAMS/threads.c",
        "grep -q ' 0$' out",
    ),
    Run("own", "crunch", ("gcc",), "./crunch 1000 > out", "gcc -O2 -o crunch $PROGRAMS/crunch.c", "test -s out"),
]
