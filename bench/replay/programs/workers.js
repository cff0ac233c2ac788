// usage: node workers.js - worker threads, an HTTP server and its client, timers, files and a child process.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const { execFileSync } = require("child_process");
const fs = require("fs");
const http = require("http");

if (!isMainThread) {
    let value = workerData;
    for (let n = 0; n < 3e6; n++) value = (value * 1664525 + 1013904223) % 4294967296;
    parentPort.postMessage(value);
} else {
    const worker = (seed) =>
        new Promise((done, fail) => new Worker(__filename, { workerData: seed }).on("message", done).on("error", fail));
    const ask = (port, path) =>
        new Promise((done, fail) =>
            http.get({ host: "127.0.0.1", port, path, agent: false }, (answer) => {
                let text = "";
                answer.on("data", (part) => (text += part)).on("end", () => done(text));
            }).on("error", fail));
    (async () => {
        const values = await Promise.all([1, 2, 3, 4].map(worker));
        const server = http.createServer((request, answer) => answer.end(`seen ${request.url}`));
        await new Promise((done) => server.listen(0, "127.0.0.1", done));
        let seen = 0;
        for (let n = 0; n < 200; n++) if ((await ask(server.address().port, `/${n}`)) === `seen /${n}`) seen++;
        server.close();
        fs.writeFileSync("node.txt", values.join("\n"));
        const sorted = execFileSync("sort", ["-n", "node.txt"]).toString().trim().split("\n");
        console.log(seen, sorted.length);
        process.exit(seen === 200 && sorted.length === 4 ? 0 : 1);
    })();
}
