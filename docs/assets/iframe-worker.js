// The search of this site runs in a web worker, which browsers refuse to pages that are opened from disk. There a
// hidden frame takes its place: it loads the same program, and messages pass between the page and the frame.
if (location.protocol === "file:") {
  const prelude = `
    postMessage = (data) => parent.postMessage(data, "*");
    importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = done;
      document.body.append(script);
    })), Promise.resolve());`;

  window.Worker = class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source !== inside) return;
        const received = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(received);
        this.onmessage?.(received);
      });
      inside.document.open();
      inside.document.write(`<body><script>${prelude}<\/script><script src="${url}"><\/script></body>`);
      inside.document.close();
      this.loaded = new Promise((done) => inside.addEventListener("load", done));
    }

    postMessage(data) {
      this.loaded.then(() => {
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
      });
    }

    terminate() {
      this.frame.remove();
    }
  };
}
