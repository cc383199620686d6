# docker build -t openfaceplus .
# docker run --rm -v "$PWD:/data" openfaceplus train training-images/ -o model/
# docker run --rm -v "$PWD:/data" openfaceplus infer -m model/ photo.jpg
# docker run --rm -v "$PWD:/data" openfaceplus keys add me --role admin
# docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD:/data" openfaceplus serve -m model/ --host 0.0.0.0
FROM python:3.11.14-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /opt/openfaceplus

# torch without CUDA comes from PyTorch's own index: a fifth of the size of PyPI's build.
COPY constraints.txt ./
RUN pip install --no-deps --index-url https://download.pytorch.org/whl/cpu \
        "$(grep '^torch==' constraints.txt)"

# The libraries, dlib's weights among them, before the code, which changes more often.
COPY setup.cfg ./
RUN python -c "import configparser as c; s = c.ConfigParser(); s.read('setup.cfg'); e = s['options.extras_require']; \
print(s['options']['install_requires'], e['torch'], e['plots'], e['serve'], e['video'])" > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt

COPY . .
RUN pip install --no-deps --editable . \
    && python -m compileall -q openfaceplus

# Who runs the container may be anyone (--user), so the home and cache folder is open to all. Embedding
# nothing checks that the weights are there and prepares the network; pulling fetches a detector.
RUN useradd --uid 1000 --home-dir /cache --no-create-home openfaceplus \
    && mkdir /cache /data && chown openfaceplus: /cache /data
# ONNX Runtime would report each run to its maker.
ENV HOME=/cache OPENFACEPLUS_CACHE=/cache ORT_DISABLE_TELEMETRY=1
# Keys, the log of decisions and videos that were sent stay with what else is in /data.
ENV OPENFACEPLUS_DATA=/data/openfaceplus
USER openfaceplus
RUN openfaceplus models pull centerface \
    && python -c "import openfaceplus; openfaceplus.embed([])" && chmod -R a+rwX /cache

WORKDIR /data
VOLUME /data
EXPOSE 8000
# Ctrl-C's signal: a stopped run leaves only whole files, and the next one goes on from there.
STOPSIGNAL SIGINT
ENTRYPOINT ["/opt/openfaceplus/docker-entrypoint.sh"]
CMD ["--help"]
