// The page's end of the worker: questions and answers, and news in between.

export class Trainer {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #asked = 0;

  /** news: {kind: function}, called with what the worker tells unasked. */
  constructor(news) {
    this.#worker.onmessage = ({ data: { id, error, value, ...told } }) => {
      if (id === undefined) return news[told.news](told);
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    };
    this.#worker.onerror = (event) => news.failed({ error: event.message || "the worker could not be loaded" });
  }

  ask(kind, request = {}) {
    const id = this.#asked++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, ...request });
    });
  }

  close() {
    this.#worker.terminate();
  }
}
